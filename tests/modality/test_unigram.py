"""Unigram tokenizers as SentencePiece trains them: the ids of transformers, and words as the other kinds have them."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from edgewright.errors import BadModelError, UnsupportedModelError
from edgewright.modality.tokenizer import TextTokenizer
from edgewright.models import teacher as teachers
from edgewright.specs.recipe import ModelSource
from tests import tiny, tiny_unigram

FAMILIES = tuple(tiny_unigram.NAMES)
LITERAL = ("a <s> b <mask> c </s>", "x [MASK] [PAD] <pad> y [SEP] z", "<pad>")


def read(definition: Any, **settings: Any) -> TextTokenizer:
    text = definition if isinstance(definition, str) else json.dumps(definition)
    return TextTokenizer.from_definition(text, **{"max_length": 32, **settings})[0]


@pytest.mark.parametrize("family", FAMILIES)
def test_texts_of_many_languages_are_split_as_transformers_splits_them(family: str) -> None:
    from transformers import AutoTokenizer

    definition = tiny_unigram.definition(family)
    theirs = AutoTokenizer.from_pretrained(tiny.scratch() / f"tokenizer-{family}")
    ours, order = TextTokenizer.from_definition(definition, max_length=32, padding=theirs.pad_token)
    texts = [*tiny_unigram.SENTENCES, *tiny_unigram.STRANGE, *tiny.sentences(50, seed=8), *LITERAL]
    expected = theirs(texts, truncation=True, max_length=32)["input_ids"]
    assert [[order[token] for token in row.ids] for row in ours.encode(texts)] == expected
    assert ours.vocabulary[theirs.pad_token] == 0
    assert ours.unknown_id == ours.vocabulary[theirs.unk_token]
    words = [text.split() for text in texts if text.split()]
    expected = theirs(words, truncation=True, max_length=32, is_split_into_words=True)["input_ids"]
    assert [[order[token] for token in row.ids] for row in ours.encode_words(words)] == expected


def test_a_piece_knows_its_word() -> None:
    tokenizer = tiny_unigram.tokenizer()
    (row,) = tokenizer.encode(["rain gardens"])
    names = {token: piece for piece, token in tokenizer.vocabulary.items()}
    spelt: dict[int, str] = {}
    for token, word in zip(row.ids, row.words, strict=True):
        spelt[word] = spelt.get(word, "") + names[token]
    assert list(spelt.values()) == ["<s>", "▁rain", "▁gardens", "</s>"]
    assert tokenizer.decode(row.ids) == "rain gardens"


def test_a_unigram_tokenizer_comes_back_from_disk_as_it_was_and_transformers_reads_it(tmp_path: Path) -> None:
    from transformers import PreTrainedTokenizerFast

    tokenizer = tiny_unigram.tokenizer("DebertaV2")  # its mask is none of the model's pieces
    tokenizer.save(tmp_path / "tokenizer.json")
    back = TextTokenizer.load(tmp_path / "tokenizer.json", max_length=32)
    texts = [*tiny_unigram.SENTENCES, *tiny_unigram.STRANGE]
    assert back.encode(texts) == tokenizer.encode(texts)
    assert back.cut_at(8).encode(texts)[0].ids[:7] == tokenizer.encode(texts)[0].ids[:7]
    theirs = PreTrainedTokenizerFast(tokenizer_file=str(tmp_path / "tokenizer.json"))
    assert theirs(texts, truncation=True, max_length=32)["input_ids"] == [list(row.ids) for row in back.encode(texts)]


def test_padding_tokens_that_end_a_text_without_an_end_token_are_left_out() -> None:
    """Filled up, such a text would be another one: nothing tells where it ends."""
    definition = json.loads(tiny_unigram.definition())
    definition["post_processor"] = None
    tokenizer = read(definition)
    with_padding, without = tokenizer.encode(["rain <pad> <pad>", "rain"])
    assert with_padding == without
    assert 0 in tokenizer.encode(["rain <pad> rain"])[0].ids


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"vocab": [["<s>", 0.0], ["a"]]}, "scores"),
        ({"vocab": {"a": 1}}, "scores"),
        ({"unk_id": None}, "unknown"),
        ({"unk_id": 10_000}, "unknown"),
        ({"vocab": [["<unk>", float("nan")]], "unk_id": 0}, "finite"),
    ],
)
def test_a_damaged_unigram_model_is_a_bad_model(change: dict[str, Any], told: str) -> None:
    definition = json.loads(tiny_unigram.definition())
    definition["model"].update(change)
    with pytest.raises(BadModelError, match=told):
        read(definition)


def test_a_unigram_model_whose_words_cannot_be_told_apart_is_refused() -> None:
    definition = json.loads(tiny_unigram.definition())
    definition["pre_tokenizer"] = None
    with pytest.raises(UnsupportedModelError, match="Metaspace"):
        read(definition)


@pytest.mark.parametrize("family", ["xlm-roberta", "albert", "deberta-v2"])
def test_a_folder_with_nothing_but_sentencepieces_own_file_is_read(tmp_path: Path, family: str) -> None:
    own = tiny.UNIGRAM[family]
    folder, _ = tiny.family_folder(tmp_path / "model", family)
    whole = teachers.load(ModelSource(folder=folder), max_length=32)
    for name in ("tokenizer.json", "tokenizer_config.json", "special_tokens_map.json"):
        (folder / name).unlink(missing_ok=True)
    shutil.copyfile(tiny_unigram.trained(own), folder / tiny_unigram.NAMES[own])
    found = teachers.load(ModelSource(folder=folder), max_length=32)
    texts = [*tiny_unigram.SENTENCES, *tiny_unigram.STRANGE]
    assert found.tokenizer.encode(texts) == whole.tokenizer.encode(texts)
