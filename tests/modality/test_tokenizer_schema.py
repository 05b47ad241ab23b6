"""A `tokenizer.json` that is damaged or of another kind is refused with the reason."""

import json
from pathlib import Path
from typing import Any

import pytest

from edgewright.errors import BadModelError, UnsupportedModelError
from edgewright.modality.tokenizer import TextTokenizer
from edgewright.modality.tokenizer_schema import checked_definition, merges_of, pre_tokenizers
from tests import tiny_bpe, tiny_unigram
from tests.modality.test_tokenizer_definition import changed, word_piece


@pytest.mark.parametrize("content", ["", "{", "{}", "[]", '{"model": null}', '{"model": {"type": "WordPiece"}}'])
def test_a_damaged_tokenizer_is_a_bad_model(tmp_path: Path, content: str) -> None:
    (tmp_path / "tokenizer.json").write_text(content)
    with pytest.raises(BadModelError, match=r"tokenizer\.json"):
        TextTokenizer.load(tmp_path / "tokenizer.json", max_length=8)


OTHER_KINDS: dict[str, dict[str, Any]] = {
    "type BPE without a ByteLevel": {"type": "BPE", "vocab": {"a": 0}, "merges": []},
    "type BPE with byte_fallback": {"type": "BPE", "vocab": {"a": 0}, "merges": [], "byte_fallback": True},
    "type Unigram": {"type": "Unigram", "unk_id": 0, "vocab": [["a", -1.0]]},
    "type WordLevel": {"type": "WordLevel", "vocab": {"a": 0}, "unk_token": "a"},
}


@pytest.mark.parametrize("told", OTHER_KINDS)
def test_another_kind_of_tokenizer_is_refused_with_those_that_are_supported(tmp_path: Path, told: str) -> None:
    path = changed(tmp_path, "model", OTHER_KINDS[told])
    with pytest.raises(UnsupportedModelError, match=rf"{told}.*; supported are WordPiece \(BERT's\), byte-level BPE"):
        TextTokenizer.load(path, max_length=8)


FAULTS: dict[str, tuple[str, Any]] = {
    "not pairs": ("merges", ["a"]),
    "merges a and zz": ("merges", [["a", "zz"]]),
    "not pieces": ("vocab", None),
    "same id": ("vocab", {"<pad>": 0, "a": 1, "b": 1}),
}


@pytest.mark.parametrize("told", FAULTS)
def test_damaged_byte_level_bpe_is_a_bad_model_with_the_reason(told: str, tmp_path: Path) -> None:
    part, value = FAULTS[told]
    definition = json.loads(json.dumps(tiny_bpe.tokenizer().definition))
    definition["model"][part] = value
    path = tmp_path / "tokenizer.json"
    path.write_text(json.dumps(definition))
    with pytest.raises(BadModelError, match=told):
        TextTokenizer.load(path, max_length=8)


def test_word_piece_without_its_unknown_token_is_a_bad_model() -> None:
    with pytest.raises(BadModelError, match=r"unknown token '\[UNK\]' is not in its vocabulary"):
        TextTokenizer(word_piece({"[PAD]": 0, "a": 1}), max_length=8)


SCORED = {
    "no list": {"vocab": {"a": 0}, "unk_id": 0},
    "no pair": {"vocab": [["a"]], "unk_id": 0},
    "no score": {"vocab": [["a", "b"]], "unk_id": 0},
    "an infinite score": {"vocab": [["a", 1e400]], "unk_id": 0},
    "no unknown": {"vocab": [["a", -1.0]], "unk_id": None},
    "an unknown beyond the last": {"vocab": [["a", -1.0]], "unk_id": 1},
}


@pytest.mark.parametrize("told", SCORED)
def test_a_unigram_model_without_pieces_with_their_scores_is_refused(told: str) -> None:
    definition = json.loads(tiny_unigram.definition())
    definition["model"] |= SCORED[told]
    with pytest.raises(BadModelError, match=r"pieces with their scores, one of them the unknown|larger than any"):
        checked_definition(json.dumps(definition).replace("Infinity", "1e999"), "tokenizer.json")


def test_a_unigram_model_has_the_form_of_the_others() -> None:
    stated = json.loads(tiny_unigram.definition())["model"]
    model = checked_definition(tiny_unigram.definition(), "tokenizer.json")["model"]
    assert set(model["vocab"]) >= {piece for piece, _ in stated["vocab"]}
    assert model["scores"] == dict(stated["vocab"])
    assert model["unk_token"] == stated["vocab"][stated["unk_id"]][0]


def test_an_added_token_has_the_id_that_it_has_among_the_pieces() -> None:
    text = word_piece({"[PAD]": 0, "[UNK]": 1, "a": 2}, added_tokens=[{"content": "a", "id": 7}])
    definition = checked_definition(text, "tokenizer.json")
    assert definition["added_tokens"][0]["id"] == 2
    with pytest.raises(BadModelError, match="an added token lacks its content or its id"):
        checked_definition(word_piece({"[PAD]": 0, "[UNK]": 1}, added_tokens=[{"content": "a"}]), "tokenizer.json")


def test_merges_are_read_as_pairs_in_either_form_and_steps_alone_or_in_a_sequence() -> None:
    definition = checked_definition(tiny_bpe.definition(), "tokenizer.json")
    pairs = list(merges_of(definition))
    definition["model"]["merges"] = [" ".join(pair) for pair in pairs]
    assert list(merges_of(definition)) == pairs
    assert [part["type"] for part in pre_tokenizers(definition)] == ["ByteLevel"]
