"""The command line's `build` and `run`: what they print, and how they refuse what cannot be built."""

import json
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from edgewright import Bundle
from edgewright.cli.main import main
from tests import tiny
from tests.end_to_end.test_bench import refused

PROFILE = ("--profile", "raspberry-pi-4")

pytestmark = pytest.mark.slow


@pytest.fixture
def altered(recipe: Path, tmp_path: Path):
    """The recipe with some text replaced, in a folder of its own."""

    def alter(old: str, new: str) -> str:
        shutil.copytree(recipe.parent, tmp_path / "altered")
        path = tmp_path / "altered" / recipe.name
        text = path.read_text()
        assert old in text
        path.write_text(text.replace(old, new))
        return str(path)

    return alter


def test_a_second_build_uses_every_stage_of_the_first(
    bundle: Path, recipe: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["build", str(recipe), *PROFILE, "-o", str(tmp_path / "again"), "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert all(stage["cached"] for stage in document["stages"])
    assert [artifact["runtime"] for artifact in document["artifacts"]] == ["executorch", "litert"]
    assert set(document) >= {"bundle", "profile", "teacher", "student", "baseline", "artifacts", "stages", "budget"}
    assert set(document["teacher"]) == set(document["student"]) == {"score", "parameters", "bytes", "latency_ms"}
    assert all(artifact["parity"]["passed"] for artifact in document["artifacts"])
    assert Bundle.open(tmp_path / "again").manifest.files == Bundle.open(bundle).manifest.files


def test_a_bundle_can_be_one_file_that_answers(
    bundle: Path, recipe: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    archive = tmp_path / "tiny.zip"
    assert main(["build", str(recipe), *PROFILE, "-o", str(archive)]) == 0
    capsys.readouterr()
    assert main(["run", str(archive), "--input", "the old tree", "--top", "3", "--json"]) == 0
    matches = json.loads(capsys.readouterr().out)["matches"]
    assert len(matches) == 3
    assert matches[0]["score"] >= matches[1]["score"] >= matches[2]["score"]


def test_a_budget_that_cannot_be_met_says_by_how_much_and_leaves_the_bundle(
    bundle: Path, altered, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    place = tmp_path / "missed"
    hard = altered("artifact_mb = 1", "artifact_mb = 0.001")
    status = main(["build", hard, *PROFILE, "-o", str(place), "--even-if-unreachable", "--json"])
    document = json.loads(capsys.readouterr().out)
    assert status == 1
    (miss,) = document["budget"]["missed"]
    assert miss["name"] == "artifact_mb"
    assert miss["by_percent"] > 100
    assert miss["stage"] in ("vocabulary", "prune")
    assert Bundle.open(place).manifest.verdict["met"] is False


def test_an_unknown_profile_is_answered_with_the_nearest(recipe: Path, capsys: pytest.CaptureFixture[str]) -> None:
    status, line = refused(capsys, "build", str(recipe), "--profile", "rasberry-pi-4", "-o", "nowhere")
    assert status == 2
    assert "raspberry-pi-4" in line


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("[stages.prune]", "[stages.prnue]", "prune"),
        ('text = "question"', 'text = "questoin"', "question"),
        ('file = "pairs.csv"', 'file = "gone.csv"', "gone.csv"),
        ('folder = "', 'folder = "/nowhere/at/all', "/nowhere/at/all"),
        ("max_length = 32", "max_length = 32\nlanguage = 7", "language"),
        ("layers = 2", "layers = 9", "layers"),
    ],
)
def test_a_faulty_recipe_is_one_line_and_leaves_nothing(
    altered, old: str, new: str, said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    place = tmp_path / "out"
    status, line = refused(capsys, "build", altered(old, new), *PROFILE, "-o", str(place))
    assert status == 2
    assert said in line
    assert not place.exists()


def test_a_corrupt_safetensors_file_is_the_models_fault(
    altered, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    harmed = tmp_path / "harmed"
    shutil.copytree(tiny.bert_folder(), harmed)
    content = (harmed / "model.safetensors").read_bytes()
    (harmed / "model.safetensors").write_bytes(content[: len(content) // 2])
    status, line = refused(
        capsys, "build", altered(str(tiny.bert_folder()), str(harmed)), *PROFILE, "-o", str(tmp_path / "out")
    )
    assert status == 2
    assert str(harmed) in line


def test_an_empty_split_is_told(altered, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = altered("max_length = 32", "max_length = 32")
    (Path(path).parent / "pairs.csv").write_text("question,answer\n")
    status, line = refused(capsys, "build", path, *PROFILE, "-o", str(tmp_path / "out"))
    assert status == 2
    assert "split is empty" in line


def test_an_interrupted_build_loses_no_finished_stage(
    recipe: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ctrl-C once a first stage is on disk: exit 130, nothing half-made, and the next build starts from it."""
    monkeypatch.setenv("EDGEWRIGHT_CACHE_DIR", str(tmp_path / "cache"))
    stages = tmp_path / "cache" / "stages"
    command = [sys.executable, "-m", "edgewright.cli.main", "build", str(recipe), *PROFILE, "-o", str(tmp_path / "out")]
    # Whoever runs the tests in the background may have Ctrl-C ignored, and a child would inherit that.
    process = subprocess.Popen(
        command, stderr=subprocess.PIPE, text=True, preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL)
    )
    deadline = time.monotonic() + 120
    while not list(stages.glob("prune/*/stage.json")) and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.02)
    process.send_signal(signal.SIGINT)
    try:
        _, errors = process.communicate(timeout=60)
    finally:
        process.kill()
    assert process.returncode == 130, errors
    assert not list(stages.glob("*/.unfinished-*"))
    assert not (tmp_path / "out").exists()
    finished = {path.parent.name for path in stages.glob("*/*/stage.json")}
    assert finished
    made = {path: path.stat().st_mtime_ns for path in stages.glob("*/*/stage.json")}
    from edgewright import load_profile, load_recipe, pipeline
    from edgewright.base.progress import Silent
    from edgewright.stages import Plan

    again = pipeline.run_stages(
        Plan(recipe=load_recipe(recipe), profile=load_profile("raspberry-pi-4"), progress=Silent())
    )
    assert again.result("examples").entry.cached
    assert [stage.name for stage in again.made if stage.entry.cached][3:5] == ["importance", "prune"]
    assert all(path.stat().st_mtime_ns == when for path, when in made.items())
