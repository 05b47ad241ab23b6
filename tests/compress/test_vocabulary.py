"""A smaller vocabulary splits what it knows as before, and still spells what it does not."""

import json
from pathlib import Path

import pytest

from tests import tiny
from toolchain.compress.vocabulary import Trimmed, affected, trim, whole
from toolchain.errors import BadDataError
from toolchain.models.tokenizer import TextTokenizer

TEXTS = ["the rain and the snow", "walking in the rain", "read a book"]


@pytest.fixture(scope="module")
def trimmed() -> Trimmed:
    return trim(tiny.tokenizer(), TEXTS, size=None)


def pieces(tokenizer: TextTokenizer, text: str) -> list[str]:
    names = {number: piece for piece, number in tokenizer.vocabulary.items()}
    return [names[token] for token in tokenizer.encode([text])[0].ids]


def test_texts_whose_pieces_all_stay_are_split_as_before(trimmed: Trimmed) -> None:
    others = [*TEXTS, "snow and rain", "the book", "Reading, in the rain?!"]
    before, after = tiny.tokenizer().encode(others), trimmed.tokenizer.encode(others)
    for old, new in zip(before, after, strict=True):
        assert tuple(trimmed.kept[token] for token in new.ids) == old.ids
        assert new.words == old.words
    assert affected(tiny.tokenizer(), trimmed, others) == 0
    assert trimmed.coverage == 1.0


def test_pieces_that_no_text_uses_are_gone_and_ids_have_no_gaps(trimmed: Trimmed) -> None:
    vocabulary = trimmed.tokenizer.vocabulary
    assert len(vocabulary) == len(trimmed.kept) < len(tiny.pieces())
    assert sorted(vocabulary.values()) == list(range(len(vocabulary)))
    assert "thunder" not in vocabulary
    assert {"rain", "##ing", "book", "[MASK]", "z", "##9", "?"} <= set(vocabulary)


def test_a_word_that_is_gone_is_spelt_in_known_pieces(trimmed: Trimmed) -> None:
    assert pieces(tiny.tokenizer(), "thunder") == ["[CLS]", "thunder", "[SEP]"]
    spelt = pieces(trimmed.tokenizer, "thunder")
    assert "[UNK]" not in spelt
    assert "".join(piece.removeprefix("##") for piece in spelt[1:-1]) == "thunder"
    assert affected(tiny.tokenizer(), trimmed, ["thunder"]) == pytest.approx(1 / 3)


def test_padding_stays_token_0_and_special_tokens_stand_around_a_text(trimmed: Trimmed) -> None:
    assert trimmed.tokenizer.vocabulary["[PAD]"] == trimmed.kept[0] == 0
    assert pieces(trimmed.tokenizer, "rain") == ["[CLS]", "rain", "[SEP]"]


def test_a_size_keeps_the_most_frequent_pieces() -> None:
    required = len(trim(tiny.tokenizer(), ["a"], size=None).kept)
    small = trim(tiny.tokenizer(), [*TEXTS, "rain", "the rain"], size=required + 2)
    assert len(small.kept) == required + 2
    assert {"the", "rain"} <= set(small.tokenizer.vocabulary)
    assert "snow" not in small.tokenizer.vocabulary
    assert 0 < small.coverage < 1
    assert 0 < affected(tiny.tokenizer(), small, TEXTS) < 1


def test_a_size_below_what_must_stay_is_told_with_both_numbers() -> None:
    required = len(trim(tiny.tokenizer(), ["a"], size=None).kept)
    assert len(trim(tiny.tokenizer(), TEXTS, size=required).kept) == required
    with pytest.raises(BadDataError, match=rf"vocabulary\.size is {required - 1}, but {required} special tokens"):
        trim(tiny.tokenizer(), TEXTS, size=required - 1)


def test_texts_of_which_no_token_is_known_are_refused() -> None:
    with pytest.raises(BadDataError, match="every token of the training texts is unknown"):
        trim(tiny.tokenizer(), ["☃☃☃", "☂"], size=None)
    with pytest.raises(BadDataError):
        trim(tiny.tokenizer(), [""], size=None)


def test_no_trimming_keeps_every_piece() -> None:
    same = whole(tiny.tokenizer())
    assert same.kept == tuple(range(len(tiny.pieces())))
    assert affected(tiny.tokenizer(), same, TEXTS) == 0


def test_the_smaller_tokenizer_comes_back_from_disk_and_transformers_reads_it(trimmed: Trimmed, tmp_path: Path) -> None:
    from transformers import PreTrainedTokenizerFast

    trimmed.tokenizer.save(tmp_path / "tokenizer.json")
    expected = trimmed.tokenizer.encode(TEXTS)
    assert TextTokenizer.load(tmp_path / "tokenizer.json", max_length=tiny.MAX_LENGTH).encode(TEXTS) == expected
    theirs = PreTrainedTokenizerFast(tokenizer_file=str(tmp_path / "tokenizer.json"))(TEXTS)["input_ids"]
    assert theirs == [list(row.ids) for row in expected]


@pytest.mark.parametrize("wrapped", [False, True])
def test_the_older_form_of_tokens_around_a_text_is_renumbered_too(wrapped: bool) -> None:
    definition = json.loads(json.dumps(tiny.tokenizer().definition))
    around = {"type": "BertProcessing", "sep": ["[SEP]", 3], "cls": ["[CLS]", 2]}
    definition["post_processor"] = {"type": "Sequence", "processors": [around]} if wrapped else around
    vocabulary = definition["model"]["vocab"]
    renumbered = dict(zip(vocabulary, [0, *range(len(vocabulary) - 1, 0, -1)], strict=True))
    definition["model"]["vocab"] = renumbered
    for token in definition["added_tokens"]:
        token["id"] = renumbered[token["content"]]
    around["sep"], around["cls"] = ["[SEP]", renumbered["[SEP]"]], ["[CLS]", renumbered["[CLS]"]]
    before = TextTokenizer(json.dumps(definition), max_length=tiny.MAX_LENGTH)
    after = trim(before, TEXTS, size=None)
    assert pieces(after.tokenizer, "the rain") == ["[CLS]", "the", "rain", "[SEP]"]
    assert affected(before, after, TEXTS) == 0
