"""The tokenizer of a model that goes on with texts: byte-level BPE whose ids are those the model came with.

In:  a `tokenizer.json`, and the chat template beside it.
Out: `DecoderTokenizer`, whose token 0 is a token like any other, and texts of messages by the template.
"""

from __future__ import annotations

from functools import cache, cached_property
from typing import ClassVar, Self

from typing_extensions import override

from edgewright.errors import UnsupportedModelError
from edgewright.modality.tokenizer import TextTokenizer
from edgewright.modality.tokenizer_definition import definition_over, written_definition
from edgewright.modality.tokenizer_schema import checked_definition


class DecoderTokenizer(TextTokenizer):
    """Of texts that are filled up beside a mask, not by a token: nothing is renumbered, no last token is taken off.

    Raises what a `TextTokenizer` does, and `UnsupportedModelError` for another kind than byte-level BPE.
    """

    pads: ClassVar[bool] = False

    @override
    def __init__(self, definition: str, *, max_length: int, place: str = "tokenizer.json") -> None:
        super().__init__(definition, max_length=max_length, place=place)
        if self.merges is None:
            kind = self.definition["model"]["type"]
            raise UnsupportedModelError(f"a decoder's tokenizer of type {kind}", ("byte-level BPE",))

    @classmethod
    def of_model(cls, definition: str, *, max_length: int, place: str) -> tuple[Self, tuple[int, ...]]:
        """The tokenizer, and the model's row for each of its ids: those that no piece has are closed up."""
        checked = checked_definition(definition, place)
        order = tuple(sorted(set(checked["model"]["vocab"].values())))
        if order != tuple(range(len(order))):
            checked = definition_over(checked, order)
        return cls(written_definition(checked), max_length=max_length, place=place), order

    def id_of(self, piece: str | None) -> int | None:
        """The id of a piece; None for none."""
        return None if piece is None else self.vocabulary.get(piece)

    def spelt(self, token: int) -> bytes:
        """The bytes that a token stands for in a text; none for a special one, or an id that no piece has."""
        return self._bytes.get(token, b"")

    def parts_of(self, piece: str) -> tuple[int, ...]:
        """The ids that stand for another tokenizer's piece; none where its signs are not all known here."""
        parts = self._tokenizer.model.tokenize(piece)
        return tuple(each.id for each in parts) if "".join(each.value for each in parts) == piece else ()

    @cached_property
    def _bytes(self) -> dict[int, bytes]:
        added = {each["id"]: each for each in self.definition["added_tokens"]}
        spelt = {row: _bytes_of(piece) for piece, row in self.vocabulary.items() if row not in added}
        return spelt | {row: b"" if each.get("special") else each["content"].encode() for row, each in added.items()}

    @property
    def piece_bytes(self) -> tuple[int, ...]:
        """How many bytes of text each id stands for; none for a special one. A piece has a character for each byte."""
        sizes = [0] * (max(self.vocabulary.values()) + 1)
        for piece, place in self.vocabulary.items():
            sizes[place] = 0 if place in self.special_ids else len(piece)
        return tuple(sizes)

    @property
    def before(self) -> tuple[int, ...]:
        """The tokens that encoding puts before a text."""
        (row,) = self.encode(["a"])
        text = self._tokenizer.encode("a", add_special_tokens=False).ids
        return tuple(row.ids[: len(row.ids) - len(text)]) if tuple(row.ids[-len(text) :]) == tuple(text) else ()


def _bytes_of(piece: str) -> bytes:
    """What a piece of byte-level BPE stands for; a sign that stands for no byte is taken as it is."""
    symbols = _byte_of_symbol()
    return b"".join(bytes([symbols[sign]]) if sign in symbols else sign.encode() for sign in piece)


@cache
def _byte_of_symbol() -> dict[str, int]:
    """The byte that each sign of byte-level BPE stands for: its own where it is printable, else the next above 255."""
    printable = {*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)}
    others = [byte for byte in range(256) if byte not in printable]
    return {chr(byte): byte for byte in printable} | {chr(256 + place): byte for place, byte in enumerate(others)}
