"""Text of tokens comes in whole characters, as the tokenizer spells it, and ends where it is asked to."""

import pytest

from edgewright.modality.decoder_tokenizer import DecoderTokenizer
from edgewright.modality.token_text import EndingText, TokenText
from edgewright.modality.tokenizer_definition import byte_symbols
from tests.tiny_decoders import definition

TEXTS = ("Return the zip file.\n\n    x = 1\n", "Grüße, 世界! 👩‍🚀 é", "\x00\x7f tabs\t", "<|start|>a<|end|>")


@pytest.fixture(scope="module")
def tokenizer() -> DecoderTokenizer:
    return DecoderTokenizer(definition(), max_length=512)


@pytest.mark.parametrize("text", TEXTS)
def test_pieces_are_whole_characters_and_together_what_the_tokenizer_spells(
    tokenizer: DecoderTokenizer, text: str
) -> None:
    (row,) = tokenizer.encode([text])
    spelling = TokenText(tokenizer)
    pieces = [spelling.add(each) for each in row.ids]
    assert "�" not in "".join(pieces)
    assert spelling.rest() == ""
    assert "".join(pieces) == tokenizer.decode(row.ids)
    if "世" in text:
        assert pieces.count("") >= 4  # bytes that are no character yet


def test_every_byte_has_its_sign(tokenizer: DecoderTokenizer) -> None:
    signs = byte_symbols()
    assert {tokenizer.spelt(tokenizer.vocabulary[sign]) for sign in signs} == {bytes([byte]) for byte in range(256)}


def test_a_character_that_never_becomes_whole_is_shown_as_such_at_the_end(tokenizer: DecoderTokenizer) -> None:
    (row,) = tokenizer.encode(["世"])
    spelling = TokenText(tokenizer)
    assert "".join(spelling.add(each) for each in row.ids[:-1]) == ""
    assert spelling.rest() == "�"


def test_silent_and_special_tokens_and_ids_beyond_spell_nothing(tokenizer: DecoderTokenizer) -> None:
    spelling = TokenText(tokenizer, silent=[tokenizer.vocabulary["a"]])
    assert [spelling.add(each) for each in (0, 1, 2, tokenizer.vocabulary["a"], 10_000)] == [""] * 5


@pytest.mark.parametrize(
    ("ends", "pieces", "passed", "end"),
    [
        (["\n\n"], ["a\n", "b\n", "\nc"], ["a", "\nb", ""], "\n\n"),
        (["stop"], ["a st", "ill st", "op more"], ["a ", "still ", ""], "stop"),
        (["ab", "abc"], ["x", "abc"], ["x", ""], "abc"),
        (["bc", "ab"], ["xabc"], ["x"], "ab"),
        ([], ["a", "b"], ["a", "b"], None),
        (["never"], ["ne", "ve"], ["", ""], None),
    ],
)
def test_text_is_passed_on_up_to_the_first_end(
    ends: list[str], pieces: list[str], passed: list[str], end: str | None
) -> None:
    watching = EndingText(ends)
    assert [watching.add(each) for each in pieces] == passed
    assert watching.end == end
    assert "".join([*passed, watching.rest()]) == ("".join(pieces) if end is None else "".join(passed))
    if end is not None:
        assert watching.add("more") == ""
