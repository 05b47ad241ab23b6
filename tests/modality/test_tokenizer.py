"""Texts as tokens, and which word each token is of."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from edgewright.errors import ModelError, UnsupportedModelError
from edgewright.modality.encoded import NO_WORD
from edgewright.modality.tokenizer import LEAST_REST, TextTokenizer
from tests import tiny, tiny_bpe


def pieces_of(text: str, tokenizer: TextTokenizer | None = None) -> list[str]:
    names = {number: piece for piece, number in (tokenizer or tiny.tokenizer()).vocabulary.items()}
    (encoded,) = (tokenizer or tiny.tokenizer()).encode([text])
    return [names[token] for token in encoded.ids]


def changed(tmp_path: Path, change: str, value: object) -> Path:
    """The tiny tokenizer's file with one of its parts replaced."""
    definition = json.loads((tiny.bert_folder() / "tokenizer.json").read_text())
    definition[change] = value
    path = tmp_path / "tokenizer.json"
    path.write_text(json.dumps(definition))
    return path


def test_a_text_is_split_as_transformers_splits_it() -> None:
    from transformers import AutoTokenizer

    theirs = AutoTokenizer.from_pretrained(tiny.bert_folder())
    texts = [*tiny.sentences(20), "Walking, talked: 42 storms!", "", "ÉCOLE 北京", "a" * 200]
    expected = theirs(texts, truncation=True, max_length=tiny.MAX_LENGTH)["input_ids"]
    assert [list(row.ids) for row in tiny.tokenizer().encode(texts)] == expected


def test_the_pieces_of_a_word_have_one_number_and_special_tokens_are_words_of_their_own() -> None:
    assert pieces_of("walking storms, zx") == "[CLS] walk ##ing storm ##s , z ##x [SEP]".split()
    (encoded,) = tiny.tokenizer().encode(["walking storms, zx"])
    assert encoded.words == (0, 1, 1, 2, 2, 3, 4, 4, 5)


def test_an_empty_text_is_its_two_special_tokens() -> None:
    (encoded,) = tiny.tokenizer().encode([""])
    assert (len(encoded.ids), encoded.words) == (2, (0, 1))


def test_a_long_text_is_cut_and_keeps_its_last_special_token() -> None:
    (encoded,) = tiny.tokenizer().encode(["rain " * 100])
    assert len(encoded.ids) == tiny.MAX_LENGTH
    assert encoded.ids[-1] == tiny.tokenizer().vocabulary["[SEP]"]
    assert encoded.words == tuple(range(tiny.MAX_LENGTH))


def test_a_word_of_unknown_characters_is_one_unknown_token() -> None:
    assert pieces_of("rain ☃☃") == ["[CLS]", "rain", "[UNK]", "[SEP]"]
    assert tiny.tokenizer().unknown_id == 1


def test_what_is_cut_off_of_long_texts_comes_back_as_texts_that_fit() -> None:
    tokenizer = tiny.tokenizer().cut_at(12)
    texts = [" ".join(tiny.sentences(6, seed=seed)) for seed in range(20)] + ["the rain"]
    rest = tokenizer.rest(texts)
    assert len(rest) > 20
    assert all(len(row.ids) <= 12 for row in tokenizer.cut_at(200).encode(rest))
    for text in texts:
        own = [each for each in rest if each in text]
        found = " ".join([tokenizer.decode(tokenizer.encode([text])[0].ids), *own])
        assert text.startswith(found)
        left = len(tokenizer.cut_at(400).encode([text[len(found) :]])[0].ids) - 2
        assert left < LEAST_REST
    assert tokenizer.rest(["the rain"]) == []


def test_the_rest_of_a_long_text_begins_with_a_whole_word() -> None:
    tokenizer = tiny.tokenizer().cut_at(12)
    word = next(
        word
        for word in ("rains", "winds", "snowing", "treeless", "boating", "xylophone")
        if len(set(tokenizer.encode([word])[0].words)) == 3 and len(tokenizer.encode([word])[0].ids) > 4
    )
    text = " ".join(["the"] * 8 + [word] + ["rain"] * 30)  # the word lies across the cut
    assert {each for text in tokenizer.rest([text]) for each in text.split()} == {"rain"}


def test_a_tokenizer_comes_back_from_disk_as_it_was(tmp_path: Path) -> None:
    tiny.tokenizer().save(tmp_path / "tokenizer.json")
    back = TextTokenizer.load(tmp_path / "tokenizer.json", max_length=8)
    assert back.vocabulary == tiny.tokenizer().vocabulary
    (short,) = back.encode(["the rain and the snow and the wind and the sun"])
    assert len(short.ids) == 8


MIXED = ["Walking, talked: 42 storms!", "", " ", "a  b", "don't é北 ☃", "word " * 100, *tiny_bpe.docstrings()[::20]]


@pytest.mark.parametrize("around", ["roberta", "template", "sequence"])
def test_byte_level_bpe_splits_as_transformers_does_with_padding_first(around: str) -> None:
    tokenizer, order = tiny_bpe.renumbered(around=around)
    assert order[:4] == (1, 0, 2, 3)
    expected = tiny_bpe.transformers_tokenizer()(MIXED, truncation=True, max_length=tiny_bpe.MAX_LENGTH)["input_ids"]
    assert [[order[token] for token in row.ids] for row in tokenizer.encode(MIXED)] == expected
    assert (tokenizer.vocabulary["<pad>"], tokenizer.vocabulary["<s>"], tokenizer.unknown_id) == (0, 1, None)


def test_byte_level_bpe_spells_every_text_and_gives_it_back() -> None:
    tokenizer = tiny_bpe.tokenizer().cut_at(1000)
    for text, row in zip(MIXED, tokenizer.encode(MIXED), strict=True):
        assert tokenizer.decode(row.ids) == text


def test_the_words_of_byte_level_bpe_have_a_number_each() -> None:
    tokenizer = tiny_bpe.tokenizer()
    text = "inspecting zyx,  don't (é北)!"
    (encoded,) = tokenizer.encode([text])
    spelt: dict[int, list[int]] = {}
    for token, number in zip(encoded.ids, encoded.words, strict=True):
        spelt.setdefault(number, []).append(token)
    assert list(spelt) == list(range(len(spelt)))
    words = [tokenizer.decode(ids) for ids in spelt.values()]
    assert words == ["", "inspecting", " zyx", ",", " ", " don", "'t", " (", "é北", ")!", ""]


def test_a_byte_level_tokenizer_comes_back_from_disk_as_it_was(tmp_path: Path) -> None:
    tiny_bpe.tokenizer().save(tmp_path / "tokenizer.json")
    back = TextTokenizer.load(tmp_path / "tokenizer.json", max_length=tiny_bpe.MAX_LENGTH)
    assert back.encode(MIXED) == tiny_bpe.tokenizer().encode(MIXED)


WORDS = [["Walking,", "talked:", "", "zx", "don't"], [], ["rain"] * 100]


@pytest.mark.parametrize("make", [tiny.tokenizer, tiny_bpe.tokenizer])
def test_given_words_are_words_whatever_is_in_them(make: Callable[[], TextTokenizer]) -> None:
    tokenizer = make()
    first, empty, long = tokenizer.encode_words(WORDS)
    assert set(first.given) == {NO_WORD, 0, 1, 3, 4}
    assert len(first.ids) == len(first.words) == len(first.given)
    numbers = {NO_WORD: 0, 0: 1, 1: 2, 3: 3, 4: 4}
    assert first.words == (*(numbers[word] for word in first.given[:-1]), 5)
    assert (empty.words, empty.given) == ((0, 1), (NO_WORD, NO_WORD))
    assert len(long.ids) == tokenizer.max_length
    assert long.given[-1] == NO_WORD
    assert tokenizer.encode_any(WORDS) == [first, empty, long]


def test_given_words_are_split_as_transformers_splits_them() -> None:
    from transformers import AutoTokenizer

    def theirs(tokenizer: Any, length: int) -> Any:
        return tokenizer(WORDS, is_split_into_words=True, truncation=True, max_length=length)

    expected = theirs(AutoTokenizer.from_pretrained(tiny.bert_folder()), tiny.MAX_LENGTH)
    assert [list(row.ids) for row in tiny.tokenizer().encode_words(WORDS)] == expected["input_ids"]
    expected = theirs(tiny_bpe.transformers_tokenizer(add_prefix_space=True), tiny_bpe.MAX_LENGTH)
    tokenizer, order = tiny_bpe.renumbered()
    rows = tokenizer.encode_words(WORDS)
    assert [[order[token] for token in row.ids] for row in rows] == expected["input_ids"]
    for index, row in enumerate(rows):
        assert [None if word == NO_WORD else word for word in row.given] == expected.word_ids(index)


def test_given_words_are_refused_where_no_space_can_be_put_before_them() -> None:
    definition = json.loads(tiny_bpe.definition())
    split = {"type": "Split", "pattern": {"Regex": r"\w+|\W"}, "behavior": "Isolated", "invert": False}
    parts = [split, {**definition["pre_tokenizer"], "use_regex": False}]
    definition["pre_tokenizer"] = {"type": "Sequence", "pretokenizers": parts}
    tokenizer, _ = TextTokenizer.from_definition(json.dumps(definition), max_length=8)
    assert len(tokenizer.encode(["a b"])[0].ids) == 5
    with pytest.raises(UnsupportedModelError, match="add_prefix_space"):
        tokenizer.encode_words([["a", "b"]])


def test_a_pattern_that_explodes_is_an_error_of_the_model_and_no_panic(tmp_path: Path) -> None:
    pattern = {"type": "Split", "pattern": {"Regex": "(a|a|aa)+$"}, "behavior": "Isolated", "invert": False}
    tokenizer = TextTokenizer.load(changed(tmp_path, "pre_tokenizer", pattern), max_length=16)
    with pytest.raises(ModelError, match=r"the tokenizer gave up on a text: .*retry-limit-in-match over") as caught:
        tokenizer.encode(["a" * 60 + "b"])
    assert caught.value.exit_code == 4
