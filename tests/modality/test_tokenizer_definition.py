"""Definitions of tokenizers: faults are told, padding becomes token 0, and other kinds are refused."""

import json
from pathlib import Path
from typing import Any

import pytest

from edgewright.errors import BadModelError, UnsupportedModelError
from edgewright.modality.tokenizer import TextTokenizer
from tests import tiny, tiny_bpe


def changed(tmp_path: Path, change: str, value: object) -> Path:
    """The tiny tokenizer's file with one of its parts replaced."""
    definition = json.loads((tiny.bert_folder() / "tokenizer.json").read_text())
    definition[change] = value
    path = tmp_path / "tokenizer.json"
    path.write_text(json.dumps(definition))
    return path


def test_a_missing_tokenizer_is_a_bad_model(tmp_path: Path) -> None:
    with pytest.raises(BadModelError, match="No such file"):
        TextTokenizer.load(tmp_path / "tokenizer.json", max_length=8)


def test_a_tokenizer_whose_padding_is_not_token_0_is_not_supported(tmp_path: Path) -> None:
    vocabulary = {"[UNK]": 0, "[PAD]": 1, "a": 2}
    model = {"type": "WordPiece", "vocab": vocabulary, "unk_token": "[UNK]", "continuing_subword_prefix": "##"}
    path = changed(tmp_path, "model", {**model, "max_input_chars_per_word": 100})
    definition = json.loads(path.read_text())
    path.write_text(json.dumps({**definition, "added_tokens": [], "post_processor": None}))
    with pytest.raises(UnsupportedModelError, match="not token 0"):
        TextTokenizer.load(path, max_length=8)


def word_piece(vocabulary: dict[str, int], **changes: Any) -> str:
    definition = json.loads((tiny.bert_folder() / "tokenizer.json").read_text())
    definition["model"]["vocab"] = vocabulary
    return json.dumps({**definition, "added_tokens": [], "post_processor": None, **changes})


def test_word_piece_with_padding_elsewhere_is_renumbered_and_tells_the_order() -> None:
    text = word_piece({"[UNK]": 0, "a": 1, "b": 2, "[PAD]": 3, "##b": 4})
    tokenizer, order = TextTokenizer.from_definition(text, max_length=8)
    assert order == (3, 0, 1, 2, 4)
    (encoded,) = tokenizer.encode(["ab a b c"])
    assert [order[token] for token in encoded.ids] == [1, 4, 1, 2, 0]


def test_a_tokenizer_with_padding_first_keeps_its_ids() -> None:
    text = (tiny.bert_folder() / "tokenizer.json").read_text()
    tokenizer, order = TextTokenizer.from_definition(text, max_length=tiny.MAX_LENGTH)
    assert order == tuple(range(len(tiny.pieces())))
    assert tokenizer.encode(tiny.sentences(20)) == tiny.tokenizer().encode(tiny.sentences(20))


def test_ids_that_no_piece_has_are_closed_up() -> None:
    text = word_piece({"[UNK]": 2, "a": 7, "[PAD]": 5})
    tokenizer, order = TextTokenizer.from_definition(text, max_length=8)
    assert (tokenizer.vocabulary, order) == ({"[PAD]": 0, "[UNK]": 1, "a": 2}, (5, 2, 7))
    with pytest.raises(BadModelError, match="have gaps"):
        TextTokenizer(word_piece({"[PAD]": 0, "[UNK]": 1, "a": 3}), max_length=8)


def test_padding_of_another_name_is_found_by_it_and_after_saving(tmp_path: Path) -> None:
    added = {"id": 3, "content": "<none>", "single_word": False, "lstrip": False, "rstrip": False, "normalized": False}
    text = word_piece({"[PAD]": 0, "[UNK]": 1, "a": 2}, added_tokens=[{**added, "special": True}])
    tokenizer, order = TextTokenizer.from_definition(text, max_length=8, padding="<none>")
    assert order == (3, 0, 1, 2)
    tokenizer.save(tmp_path / "tokenizer.json")
    back = TextTokenizer.load(tmp_path / "tokenizer.json", max_length=8)
    assert [row.ids for row in back.encode(["a", "a a"])] == [(3,), (3, 3)]


def test_a_tokenizer_without_padding_is_refused() -> None:
    text = word_piece({"[UNK]": 0, "a": 1})
    with pytest.raises(UnsupportedModelError, match=r"without a padding token .*\[PAD\] or <pad>"):
        TextTokenizer.from_definition(text, max_length=8)
    with pytest.raises(UnsupportedModelError, match="lacks its padding token <none>"):
        TextTokenizer.from_definition(text, max_length=8, padding="<none>")


PROCESSORS: tuple[Any, ...] = (
    7,
    {
        "type": "RobertaProcessing",
        "sep": ["</z>", 2],
        "cls": ["<s>", 0],
        "trim_offsets": True,
        "add_prefix_space": True,
    },
    {"type": "TemplateProcessing", "single": [{"SpecialToken": {"id": "<s>", "type_id": 0}}], "pair": []},
)


@pytest.mark.parametrize("processor", PROCESSORS)
def test_tokens_around_a_text_that_are_not_there_are_a_bad_model(processor: Any) -> None:
    definition = {**json.loads(tiny_bpe.definition()), "post_processor": processor}
    if isinstance(processor, dict) and "single" in processor:
        definition["post_processor"] = {**processor, "special_tokens": {}}
    with pytest.raises(BadModelError):
        TextTokenizer.from_definition(json.dumps(definition), max_length=8)
