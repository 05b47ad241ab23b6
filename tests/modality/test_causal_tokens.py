"""Prompts and documents in tokens: framed once, and written by a chat template where there is one."""

from dataclasses import replace

from edgewright.data.documents import TextDocument
from edgewright.modality.causal_rows import Frame
from edgewright.modality.causal_tokens import TokenWriter
from edgewright.modality.chat_template import ChatTemplate
from edgewright.modality.decoder_tokenizer import DecoderTokenizer
from tests import tiny_decoders

TEXT = "Return the parser of a file. " * 20
FRAME = Frame(begin=(1,), end=2)


def writer(*, first: bool = False, template: ChatTemplate | None = None) -> TokenWriter:
    tokenizer = DecoderTokenizer(tiny_decoders.definition(first=first), max_length=16)
    return TokenWriter(tokenizer=tokenizer, frame=FRAME, template=template)


def test_what_encoding_puts_before_a_text_is_there_once() -> None:
    assert writer().asked("Return") == writer(first=True).asked("Return")
    assert writer(first=True).asked("Return").count(1) == 1


def test_no_token_of_a_long_text_is_lost() -> None:
    tokens = replace(writer(), frame=Frame(begin=(1,)))
    document = TextDocument(completion=TEXT)
    counted = [token for row in tokens.rows([document], longest=16) for token in row.counted]
    (whole,) = tokens.counted([document])
    assert tuple(counted) == whole
    assert tokens.tokenizer.decode(whole) == TEXT


def test_a_prompt_is_written_as_a_message_and_begins_as_the_template_says() -> None:
    template = ChatTemplate(tiny_decoders.TEMPLATE, {})
    tokens = writer(template=template)
    assert tokens.written("Hello") == "<user>Hello<|end|>"
    assert tokens.asked("Hello") == writer().asked("<user>Hello<|end|>")[1:]
    (row,) = tokens.rows([TextDocument(prompt="Hello", completion="Yes")], longest=40)
    assert row.ids[: row.first] == tokens.asked("Hello")
    assert row.ids[-1] == 2
    (plain,) = tokens.rows([TextDocument(completion="Yes")], longest=40)
    assert plain.ids[0] == 1
