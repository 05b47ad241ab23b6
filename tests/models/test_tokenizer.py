"""Texts as tokens, and which word each token is of."""

import json
from pathlib import Path

import pytest

from tests import tiny
from toolchain.errors import BadModelError, UnsupportedModelError
from toolchain.models.tokenizer import TextTokenizer


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


def test_a_tokenizer_comes_back_from_disk_as_it_was(tmp_path: Path) -> None:
    tiny.tokenizer().save(tmp_path / "tokenizer.json")
    back = TextTokenizer.load(tmp_path / "tokenizer.json", max_length=8)
    assert back.vocabulary == tiny.tokenizer().vocabulary
    (short,) = back.encode(["the rain and the snow and the wind and the sun"])
    assert len(short.ids) == 8


@pytest.mark.parametrize("content", ["", "{", "{}", "[]", '{"model": null}', '{"model": {"type": "WordPiece"}}'])
def test_a_damaged_tokenizer_is_a_bad_model(tmp_path: Path, content: str) -> None:
    (tmp_path / "tokenizer.json").write_text(content)
    with pytest.raises(BadModelError, match=r"tokenizer\.json"):
        TextTokenizer.load(tmp_path / "tokenizer.json", max_length=8)


def test_a_missing_tokenizer_is_a_bad_model(tmp_path: Path) -> None:
    with pytest.raises(BadModelError, match="No such file"):
        TextTokenizer.load(tmp_path / "tokenizer.json", max_length=8)


def test_another_kind_of_tokenizer_is_not_supported(tmp_path: Path) -> None:
    path = changed(tmp_path, "model", {"type": "BPE", "vocab": {"a": 0}, "merges": []})
    with pytest.raises(UnsupportedModelError, match="type BPE is not supported; supported are WordPiece"):
        TextTokenizer.load(path, max_length=8)


def test_a_tokenizer_whose_padding_is_not_token_0_is_not_supported(tmp_path: Path) -> None:
    vocabulary = {"[UNK]": 0, "[PAD]": 1, "a": 2}
    model = {"type": "WordPiece", "vocab": vocabulary, "unk_token": "[UNK]", "continuing_subword_prefix": "##"}
    path = changed(tmp_path, "model", {**model, "max_input_chars_per_word": 100})
    definition = json.loads(path.read_text())
    path.write_text(json.dumps({**definition, "added_tokens": [], "post_processor": None}))
    with pytest.raises(UnsupportedModelError, match="not token 0"):
        TextTokenizer.load(path, max_length=8)
