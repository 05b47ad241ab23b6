"""Texts are read once for all models, and what is made of them is known by what it was made from."""

import json
from pathlib import Path

import pytest

from edgewright.errors import BadModelError
from edgewright.modality.text import KEPT, TEXT, TEXTS
from edgewright.modality.text_dataset import TextDataset
from edgewright.specs.recipe import Distill, Recipe
from tests import tiny
from tests.stages.builds import labelled_texts, recipe


@pytest.fixture
def asked(tmp_path: Path) -> Recipe:
    return recipe("classification", labelled_texts(tmp_path))


def read(asked: Recipe, folder: Path) -> Path:
    folder.mkdir()
    reading = TEXT.read(asked, folder, on_progress=lambda done, total: None)
    assert reading.counts["train"] > reading.counts["test"] > 0
    assert reading.digest == reading.facts["labelled_digest"]
    return folder


def dataset(asked: Recipe, folder: Path) -> TextDataset:
    inputs = folder.parent / "inputs"
    inputs.mkdir()
    tiny.tokenizer().save(inputs / "tokenizer.json")
    found = TEXT.dataset(asked, folder, inputs)
    assert isinstance(found, TextDataset)
    return found


def test_what_was_read_is_read_back_the_same(asked: Recipe, tmp_path: Path) -> None:
    found = dataset(asked, read(asked, tmp_path / "read"))
    assert (tmp_path / "read" / TEXTS).is_file()
    assert {row.label for row in found.texts.train} == set(found.texts.labels)
    assert found.kept == ()
    assert found.facts == {}


def test_other_data_have_another_fingerprint(asked: Recipe, tmp_path: Path) -> None:
    before = TEXT.fingerprint(asked)
    assert TEXT.fingerprint(asked) == before
    file = asked.data.file
    assert file is not None
    file.write_text(file.read_text() + "one more text,animals\n")
    assert TEXT.fingerprint(asked) != before


def test_a_model_without_a_tokenizer_is_refused_before_a_text_is_read(asked: Recipe, tmp_path: Path) -> None:
    TEXT.check_source(asked)
    (tmp_path / "empty").mkdir()
    bare = asked.model_copy(update={"model": asked.model.model_copy(update={"folder": tmp_path / "empty"})})
    with pytest.raises(BadModelError, match=r"there is no config\.json in it"):
        TEXT.check_source(bare)


def test_a_recording_is_known_by_how_texts_are_cut(asked: Recipe) -> None:
    cut = TEXT.recording(asked, Distill(max_length=8))
    assert cut["max_length"] == 8
    assert TEXT.recording(asked, Distill(max_length=500))["max_length"] == asked.task.max_length


def test_a_trimmed_vocabulary_is_kept_beside_the_tokenizer_that_has_it(asked: Recipe, tmp_path: Path) -> None:
    found = dataset(asked, read(asked, tmp_path / "read"))
    facts = TEXT.trim_vocabulary(asked, found, tmp_path / "inputs")
    kept = json.loads((tmp_path / "inputs" / KEPT).read_text())
    assert facts["pieces"] == len(kept)
    again = TEXT.dataset(asked, tmp_path / "read", tmp_path / "inputs")
    assert isinstance(again, TextDataset)
    assert again.kept == tuple(kept)
    assert len(again.tokenizer.vocabulary) == len(kept)
