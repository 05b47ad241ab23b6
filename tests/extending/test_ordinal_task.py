"""A task in a file of its own goes through build, check, bench, run and report, and the product knows nothing of it."""

import json
from pathlib import Path

import pytest

from edgewright import pipeline
from edgewright.bundles.bundle import Bundle
from edgewright.devices.benchmark import bench
from edgewright.report.page import markdown
from edgewright.tasks.table import TASKS
from tests import tiny
from tests.extending.installed import edgewright, install
from tests.extending.ordinal_task import ORDINAL
from tests.stages.builds import PROFILE, write

STARS = ("bad", "fair", "good")
pytestmark = [pytest.mark.usefixtures("own_places"), pytest.mark.slow]


@pytest.fixture(scope="module")
def recipe_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Texts of three sorts of words, which stand for three stars."""
    folder = tmp_path_factory.mktemp("ordinal")
    rows = [(text, star) for label, star in zip(tiny.LABELS, STARS, strict=True)
            for text in tiny.sentences(40, label=label)]  # fmt: skip
    write(folder / "stars.csv", [("text", "label"), *rows])
    file = folder / "recipe.toml"
    file.write_text(
        f"""
[recipe]
name = "stars"
[model]
folder = "{tiny.bert_folder()}"
[task]
kind = "ordinal"
labels = {json.dumps(STARS)}
max_length = {tiny.MAX_LENGTH}
[data]
file = "stars.csv"
columns = {{ label = "label" }}
[stages.finetune]
epochs = 12
learning_rate = 3e-3
batch_tokens = 256
[stages.prune]
layers = 2
heads = 3
neurons = 30
[stages.distill]
epochs = 4
learning_rate = 3e-3
batch_tokens = 64
[stages.export]
runtimes = ["executorch"]
""",
        encoding="utf-8",
    )
    return file


@pytest.fixture(scope="module")
def bundle(recipe_file: Path, own_places: None) -> Bundle:
    from edgewright.specs.recipe import load_recipe

    with TASKS.registered("ordinal", ORDINAL):
        return pipeline.build(load_recipe(recipe_file), PROFILE, recipe_file.parent / "bundle").bundle


def test_it_is_built_and_every_artifact_agrees_with_the_student(bundle: Bundle) -> None:
    manifest = bundle.manifest
    assert (manifest.task.kind, manifest.task.metric) == ("ordinal", "1 − mean distance")
    assert manifest.task.labels == STARS
    assert manifest.baseline.name == "the commonest label"
    assert manifest.teacher.score > 0.8
    assert manifest.student.score > 0.7 > manifest.baseline.score
    for artifact in manifest.artifacts:
        assert artifact.parity.passed
        assert artifact.score == pytest.approx(manifest.student.score, abs=0.05)
    with TASKS.registered("ordinal", ORDINAL):
        assert {call.outputs["output"].shape for call in bundle.vectors().calls} == {(1, 2)}


def test_it_is_measured_and_answers_in_its_own_words(bundle: Bundle) -> None:
    with TASKS.registered("ordinal", ORDINAL):
        assert bench(bundle.path, "local:", quick=True).parity.passed
        answer = bundle.answer(tiny.sentences(1, seed=9, label=tiny.LABELS[2])[0])
    assert answer["kind"] == "ordinal"
    assert answer["label"] in STARS
    assert list(answer["at_least"]) == ["fair", "good"]
    assert all(0 <= each <= 1 for each in answer["at_least"].values())


def test_its_report_is_written(bundle: Bundle) -> None:
    with TASKS.registered("ordinal", ORDINAL):
        assert "1 − mean distance" in markdown(bundle.manifest, [])


def test_installed_it_is_known_to_the_command(bundle: Bundle, tmp_path: Path) -> None:
    folder = install(tmp_path, "edgewright.tasks", {"ordinal": "ordinal_task:ORDINAL"})
    text = tiny.sentences(1, seed=9, label=tiny.LABELS[0])[0]
    ended = edgewright("run", str(bundle.path), "--input", text, "--json", folders=(folder,))
    assert ended.returncode == 0, ended.stderr
    assert json.loads(ended.stdout)["kind"] == "ordinal"
    ended = edgewright("run", str(bundle.path), "--input", text, folders=())
    assert ended.returncode == 2
    assert "ordinal" in ended.stderr
