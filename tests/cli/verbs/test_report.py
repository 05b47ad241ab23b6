"""The verb `report`: which format goes where, and what is told when it cannot be made."""

import json
from pathlib import Path

import pytest

from edgewright.bundles import bundle as bundles
from edgewright.bundles.schema import Manifest
from edgewright.bundles.vectors import VECTORS
from edgewright.cli.main import main
from edgewright.store.history import History
from tests.report.documents import bench
from tests.report.test_compression import manifest, whole_build


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    """A bundle that says much and holds nothing to run."""
    made = manifest(whole_build())

    def fill(folder: Path) -> None:
        for artifact in made.artifacts:
            (folder / artifact.file).write_bytes(bytes(artifact.bytes))
        for name in ("tokenizer.json", VECTORS, "corpus.json", "index.safetensors"):
            (folder / name).write_text("not read")

    def with_hashes(hashes: dict[str, str]) -> Manifest:
        artifacts = tuple(each.model_copy(update={"sha256": hashes[each.file]}) for each in made.artifacts)
        return made.model_copy(update={"files": hashes, "artifacts": artifacts})

    return bundles.write(tmp_path / "bundle", with_hashes, fill).path


@pytest.mark.parametrize(("name", "start"), [("r.html", "<!doctype html>"), ("r.md", "# tiny"), ("r.json", "{")])
def test_the_format_is_the_files(bundle: Path, tmp_path: Path, name: str, start: str) -> None:
    with History() as history:
        history.add("bench", bench())
    file = tmp_path / "more.json"
    file.write_text(json.dumps(bench(target="local:")))
    assert main(["report", str(bundle), "latest", str(file), "-o", str(tmp_path / name)]) == 0
    text = (tmp_path / name).read_text(encoding="utf-8")
    assert text.startswith(start)
    assert "raspberrypi.local" in text
    assert "local:" in text
    assert not list(tmp_path.glob("*.part"))


def test_it_goes_to_standard_output_too(bundle: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["report", str(bundle), "--format", "md", "-o", "-"]) == 0
    assert capsys.readouterr().out.startswith("# tiny\n")
    assert main(["report", str(bundle), "--json"]) == 0
    captured = capsys.readouterr()
    found = json.loads(captured.out)
    assert (found["manifest"]["name"], found["predictions"]) == ("tiny", [])
    assert "nothing is predicted in it: " in captured.err


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "say where the report goes: -o report.html"),
        (["-o", "r.pdf"], "no format of a report '.pdf'"),
        (["--format", "pdf", "-o", "r.html"], "no format of a report 'pdf'"),
        (["3", "-o", "r.html"], "the history has no entry 3"),
        (["nothing.json", "-o", "r.html"], "there is no measurement 'nothing.json'"),
    ],
)
def test_what_cannot_be_made_is_told_and_nothing_is_written(
    bundle: Path,
    arguments: list[str],
    said: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["report", str(bundle), *arguments]) == 2
    assert said in capsys.readouterr().err
    assert not list(tmp_path.glob("r.*"))


def test_a_report_of_no_bundle_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["report", str(tmp_path / "none"), "-o", str(tmp_path / "r.html")]) == 2
    assert "there is no measurement" in capsys.readouterr().err
    (tmp_path / "none").mkdir()
    assert main(["report", str(tmp_path / "none"), "-o", str(tmp_path / "r.html")]) == 2
    assert "is no bundle" in capsys.readouterr().err


def test_measurements_alone_make_a_report_too(tmp_path: Path) -> None:
    with History() as history:
        history.add("bench", bench())
        history.add("bench", bench(name="other", slower=2, score=0.93))
    assert main(["report", "1", "2", "-o", str(tmp_path / "r.md")]) == 0
    text = (tmp_path / "r.md").read_text(encoding="utf-8")
    assert text.startswith("# demo, other\n")
    assert "## Side by side" in text
    assert "Provenance" not in text


def test_a_report_of_two_bundles_is_refused(bundle: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["report", str(bundle), str(bundle), "-o", "r.html"]) == 2
    assert "a report is of one bundle, not of 2" in capsys.readouterr().err
