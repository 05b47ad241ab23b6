"""Tokenizers of models that go on with texts: ids as they came, whatever token stands where."""

import pytest

from edgewright.errors import BadModelError, UnsupportedModelError
from edgewright.modality.decoder_tokenizer import DecoderTokenizer
from edgewright.models.gguf_files import PRE_TOKENIZERS
from tests import tiny_bpe, tiny_decoders, tiny_unigram

ODD = (
    "",
    " ",
    "x = 1234567;\n\n\tprint('größer 日本語')  ",
    "<|start|>user\nhi<|end|>",
    "a<|endoftext|>",
    "🙂 e\u0301",
)


def made(kind: str = "smollm", **options: bool) -> DecoderTokenizer:
    definition = tiny_decoders.definition(kind, **options)
    tokenizer, order = DecoderTokenizer.of_model(definition, max_length=64, place="x")
    assert order == tuple(range(tiny_decoders.PIECES))
    return tokenizer


@pytest.mark.parametrize("kind", PRE_TOKENIZERS)
def test_a_thousand_real_texts_get_the_ids_of_the_library(kind: str) -> None:
    texts = [*ODD, *tiny_bpe.docstrings()[:1000]]
    theirs, ours = tiny_decoders.tokenizer_of(kind), made(kind)
    for text, row in zip(texts, ours.encode(texts), strict=True):
        assert list(row.ids) == theirs(text)["input_ids"][:64]
        assert ours.decode(row.ids) == theirs.decode(row.ids, skip_special_tokens=True)


def test_gpt2_s_own_class_gives_the_same() -> None:
    import json

    from transformers import GPT2TokenizerFast

    model = json.loads(tiny_decoders.definition("gpt-2"))["model"]
    theirs = GPT2TokenizerFast(vocab=model["vocab"], merges=[tuple(pair) for pair in model["merges"]])
    ours, order = DecoderTokenizer.of_model(theirs.backend_tokenizer.to_str(), max_length=64, place="x")
    assert order == tuple(range(len(theirs)))
    for text, row in zip(tiny_bpe.docstrings()[:200], ours.encode(tiny_bpe.docstrings()[:200]), strict=True):
        assert list(row.ids) == theirs(text)["input_ids"][:64]


def test_a_last_token_stays_even_if_it_is_the_first_of_the_vocabulary() -> None:
    (row,) = made().encode(["a<|endoftext|>"])
    assert row.ids[-1] == 0
    assert made().special_ids == {0, 1, 2}


def test_what_is_put_before_a_text_is_known() -> None:
    assert made().before == ()
    assert made(first=True).before == (1,)
    assert made().id_of("<|end|>") == 2
    assert made().id_of("<|nothing|>") is None
    assert made().id_of(None) is None


def test_fewer_pieces_leave_a_tokenizer_of_the_same_kind() -> None:
    whole = made()
    kept = [*range(3 + 256), *range(300, 310)]
    smaller = whole.over([token for token in kept if token < 259])
    assert type(smaller) is DecoderTokenizer
    assert type(whole.cut_at(8)) is DecoderTokenizer
    assert len(whole.cut_at(8).encode(["a long text of many words, and more"])[0].ids) == 8
    text = "größer 12"
    assert smaller.decode(smaller.encode([text])[0].ids) == text


def test_other_kinds_are_refused() -> None:
    with pytest.raises(UnsupportedModelError, match="a decoder's tokenizer of type Unigram"):
        DecoderTokenizer.of_model(tiny_unigram.definition(), max_length=64, place="x")
    with pytest.raises(BadModelError, match=r"says no model.type"):
        DecoderTokenizer.of_model("{}", max_length=64, place="x")
    without = tiny_decoders.definition().replace('"ByteLevel"', '"Metaspace"')
    with pytest.raises((UnsupportedModelError, BadModelError)):
        DecoderTokenizer.of_model(without, max_length=64, place="x")


def test_the_bytes_of_pieces_add_up_to_those_of_a_text() -> None:
    tokenizer = DecoderTokenizer(tiny_decoders.definition(), max_length=64)
    sizes = tokenizer.piece_bytes
    for text in ("a plain text", "naïve – café", "def f(x):\n\treturn x"):
        (row,) = tokenizer.encode([text])
        assert sum(sizes[each] for each in row.ids) == len(text.encode())
    assert {sizes[each] for each in tokenizer.special_ids} == {0}
