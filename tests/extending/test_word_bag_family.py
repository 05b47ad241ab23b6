"""A family of models of texts in a file of its own enters by `model.factory`, and goes through build, bench and run."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from edgewright import pipeline
from edgewright.bundles.bundle import Bundle
from edgewright.devices.benchmark import bench
from edgewright.errors import InputError
from edgewright.models.families import FAMILIES
from edgewright.report.page import markdown
from edgewright.specs.recipe import load_recipe
from tests import tiny
from tests.extending.word_bag_family import FAMILY, WordBag
from tests.stages.builds import PROFILE, labelled_texts

pytestmark = pytest.mark.usefixtures("own_places")


@pytest.fixture(autouse=True)
def registered() -> Iterator[None]:
    with FAMILIES.registered("word bag", FAMILY):
        yield


def bag() -> tuple[WordBag, Any]:
    """What `model.factory` names: a new bag for three labels, and its tokenizer."""
    import transformers

    tokenizer = transformers.AutoTokenizer.from_pretrained(tiny.bert_folder())
    torch.manual_seed(0)
    return WordBag(pieces=len(tokenizer), width=32, classes=3), tokenizer


def small_bag() -> tuple[WordBag, Any]:
    """One for too few labels."""
    _, tokenizer = bag()
    return WordBag(pieces=len(tokenizer), width=8, classes=2), tokenizer


def recipe_file(folder: Path, factory: str = "bag", more: str = "[stages.prune]\nenabled = false") -> Path:
    labelled_texts(folder)
    file = folder / "recipe.toml"
    file.write_text(
        f"""
[recipe]
name = "bag"
[model]
factory = "tests.extending.test_word_bag_family:{factory}"
[task]
kind = "classification"
max_length = {tiny.MAX_LENGTH}
[data]
file = "labelled.csv"
columns = {{ label = "label" }}
[stages.finetune]
refit = true
epochs = 30
learning_rate = 2e-2
batch_tokens = 256
{more}
[stages.distill]
epochs = 4
batch_tokens = 256
output_weight = 1
[stages.export]
runtimes = ["executorch", "litert"]
""",
        encoding="utf-8",
    )
    return file


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory, own_places: None) -> Bundle:
    folder = tmp_path_factory.mktemp("bag")
    with FAMILIES.registered("word bag", FAMILY):
        return pipeline.build(load_recipe(recipe_file(folder)), PROFILE, folder / "bundle", estimated=True).bundle


@pytest.mark.slow
def test_it_is_built_its_vocabulary_is_trimmed_and_every_artifact_agrees(bundle: Bundle) -> None:
    manifest = bundle.manifest
    (pieces,) = (stage.findings for stage in manifest.stages if stage.name == "vocabulary")
    assert pieces["pieces"] < pieces["of"]
    assert "importance" not in {stage.name for stage in manifest.stages}
    assert manifest.teacher.score > 0.85
    assert manifest.student.score > 0.8
    assert manifest.student.parameters < manifest.teacher.parameters
    for artifact in manifest.artifacts:
        assert artifact.parity.passed
        assert artifact.score == pytest.approx(manifest.student.score, abs=0.05)


@pytest.mark.slow
@pytest.mark.parametrize("runtime", ["executorch", "litert"])
def test_it_is_measured_and_answers(bundle: Bundle, runtime: str) -> None:
    assert bench(bundle.path, "local:", quick=True, runtime=runtime).parity.passed
    said = [bundle.answer(tiny.sentences(1, seed=9, label=label)[0])["labels"][0]["label"] for label in tiny.LABELS]
    assert said == list(tiny.LABELS)
    assert "bag" in markdown(bundle.manifest, [])


@pytest.mark.parametrize(
    ("more", "told"),
    [
        ("[stages.prune]\nheads = 2", "a bag of words has no"),
        ("[stages.prune]\nenabled = false\n[stages.low_rank]\nenergy = 0.9", "matrices to keep at a low rank"),
    ],
)
def test_what_it_never_promised_is_refused_by_what_it_lacks(more: str, told: str, tmp_path: Path) -> None:
    recipe = load_recipe(recipe_file(tmp_path, more=more))
    with pytest.raises(InputError, match=told):
        pipeline.build(recipe, PROFILE, tmp_path / "bundle")


def test_one_for_other_labels_is_refused_before_it_is_trained(tmp_path: Path) -> None:
    recipe = load_recipe(recipe_file(tmp_path, "small_bag"))
    with pytest.raises(InputError, match=r"gives \(2, 2\) for 2 texts of 4 tokens .* where 3 outputs"):
        pipeline.build(recipe, PROFILE, tmp_path / "bundle")


def test_it_is_written_and_read_back(tmp_path: Path) -> None:
    from edgewright.models import families

    model, _ = bag()
    families.save(model, tmp_path)
    ids = torch.tensor([3, 4, 5])
    assert torch.equal(families.load(tmp_path)(ids), model.eval()(ids))
    assert families.family_in(tmp_path) is FAMILY
    assert json.loads((tmp_path / "family.json").read_text())["family"] == "word bag"
