"""Prompts and documents in the tokens of a model that writes: framed, and where it has one, by its chat template.

In:  a tokenizer, the tokens around a text, and a chat template.
Out: `TokenWriter`: the ids of a prompt, and the `CausalRow`s of documents.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Protocol

from edgewright.modality.causal_rows import CausalRow, Frame, Piece, prompt_ids, rows_of
from edgewright.modality.chat_template import ChatTemplate
from edgewright.modality.decoder_tokenizer import DecoderTokenizer

UNCUT = 1 << 24  # tokens; documents are parted into rows, not cut
NOTHING = Piece(ids=(), words=())


class DocumentLike(Protocol):
    """A prompt, empty where there is none, and what follows it."""

    @property
    def prompt(self) -> str: ...  # noqa: D102
    @property
    def completion(self) -> str: ...  # noqa: D102


@dataclass(frozen=True, kw_only=True)
class TokenWriter:
    """How texts become tokens; with a `template` a prompt is a message that is to be answered."""

    tokenizer: DecoderTokenizer
    frame: Frame
    template: ChatTemplate | None = None

    def asked(self, prompt: str, *, longest: int = UNCUT) -> tuple[int, ...]:
        """The ids of a prompt, with what begins a text; of one that is too long the last ones."""
        (piece,) = self._pieces([self.written(prompt)])
        return prompt_ids(piece.ids, self._frame, longest=longest)

    def rows(self, documents: Sequence[DocumentLike], *, longest: int) -> list[CausalRow]:
        """The rows of all documents, in their order."""
        return list(self._rows(documents, longest))

    def _rows(self, documents: Sequence[DocumentLike], longest: int) -> Iterator[CausalRow]:
        prompts = self._pieces([self.written(each.prompt) if each.prompt else "" for each in documents])
        completions = self._pieces([each.completion for each in documents])
        for place, (document, prompt, completion) in enumerate(zip(documents, prompts, completions, strict=True)):
            frame = self._frame if document.prompt else self.frame
            yield from rows_of(prompt, completion, frame, longest=longest, document=place)

    def counted(self, documents: Iterable[DocumentLike]) -> list[tuple[int, ...]]:
        """The tokens of each document's completion, with nothing around them."""
        return [piece.ids for piece in self._pieces([each.completion for each in documents])]

    def counted_bytes(self, documents: Sequence[DocumentLike], *, longest: int) -> list[int]:
        """Of each document the bytes of its completion that rows hold: of one that is cut what its tokens spell."""
        held: dict[int, list[int]] = {}
        for row in self._rows(documents, longest):
            held.setdefault(row.document, []).extend(row.counted)
        sizes = []
        for place, (document, ids) in enumerate(zip(documents, self.counted(documents), strict=True)):
            own = held.get(place, [])
            text = document.completion if len(own) >= len(ids) else self.uncut.decode(own)
            sizes.append(len(text.encode()))
        return sizes

    @property
    def _frame(self) -> Frame:
        """A template writes what begins a text itself."""
        return self.frame if self.template is None else Frame(begin=(), end=self.frame.end)

    def written(self, prompt: str) -> str:
        """A prompt as it is asked."""
        return prompt if self.template is None else self.template.write([{"role": "user", "content": prompt}])

    @cached_property
    def uncut(self) -> DecoderTokenizer:
        """The tokenizer that cuts nothing off."""
        return self.tokenizer.cut_at(UNCUT)

    def _pieces(self, texts: Sequence[str]) -> list[Piece]:
        """Without the tokens that encoding puts before a text."""
        before = len(self.uncut.before)
        return [
            Piece(ids=row.ids[before:], words=row.words[before:]) if text else NOTHING
            for text, row in zip(texts, self.uncut.encode(texts), strict=True)
        ]
