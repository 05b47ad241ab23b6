"""Documents as rows of tokens: what stands before, what is counted, and where a long text goes on.

In:  a document's prompt and completion in tokens, the tokens that begin and end a text, and the longest row.
Out: `CausalRow`s. A text without a prompt goes on in the next row, so that all of it is counted; a prompt that is too
     long loses its first tokens, as it does where an artifact is asked.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from edgewright.modality.encoded import Encoded, word_numbers


@dataclass(frozen=True, kw_only=True)
class CausalRow(Encoded):
    """Tokens of which those from `first` on count in loss and score; each is predicted by what stands before it.

    `document` is the place of its document in its part.
    """

    first: int
    document: int = 0

    @property
    def counted(self) -> tuple[int, ...]:
        """The tokens that count."""
        return self.ids[self.first :]


@dataclass(frozen=True, kw_only=True)
class Frame:
    """What stands around a text: the tokens that begin one, and the token that ends a completion, where one does."""

    begin: tuple[int, ...]
    end: int | None = None


@dataclass(frozen=True, kw_only=True)
class Piece:
    """A text in tokens, with the number of the word that each is part of."""

    ids: tuple[int, ...]
    words: tuple[int, ...]


def rows_of(prompt: Piece, completion: Piece, frame: Frame, *, longest: int, document: int) -> Iterator[CausalRow]:
    """The rows of one document, each of at most `longest` tokens; none for one whose completion is empty."""
    if prompt.ids:
        yield from _answered(prompt, completion, frame, longest, document)
        return
    start, step = 0, longest - len(frame.begin)
    while start < len(completion.ids):
        part = Piece(ids=completion.ids[start : start + step], words=completion.words[start : start + step])
        last = start + step >= len(completion.ids)
        yield _row(frame.begin, part, _ending(frame) if last and len(part.ids) < step else (), document)
        start += step


def prompt_ids(prompt: Sequence[int], frame: Frame, *, longest: int) -> tuple[int, ...]:
    """What a model is given to go on with: the beginning and as many of the prompt's last tokens as fit."""
    room = max(longest - len(frame.begin), 1)
    return (*frame.begin, *prompt[-room:])


def _answered(prompt: Piece, completion: Piece, frame: Frame, longest: int, document: int) -> Iterator[CausalRow]:
    ending = _ending(frame)
    if not completion.ids and not ending:
        return
    # Where both do not fit the completion gets half of the row at least.
    space = longest - len(frame.begin)
    wanted = len(completion.ids) + len(ending)
    room = min(wanted, max(space - len(prompt.ids), (space + 1) // 2))
    tail = (*completion.ids, *ending)[:room]
    head = prompt.ids[max(len(prompt.ids) - (space - room), 0) :]
    words = word_numbers_of(
        [0] * len(frame.begin), prompt.words[len(prompt.ids) - len(head) :], completion.words, [0] * len(ending)
    )
    before = (*frame.begin, *head)
    ids = (*before, *tail)
    yield CausalRow(ids=ids, words=words[: len(ids)], first=len(before), document=document)


def _row(begin: Sequence[int], part: Piece, ending: Sequence[int], document: int) -> CausalRow:
    words = word_numbers_of(range(len(begin)), part.words, [0] * len(ending))
    return CausalRow(ids=(*begin, *part.ids, *ending), words=words, first=max(len(begin), 1), document=document)


def _ending(frame: Frame) -> tuple[int, ...]:
    return () if frame.end is None else (frame.end,)


def word_numbers_of(*parts: Sequence[int]) -> tuple[int, ...]:
    """The words of several parts in a row, counted from 0 without gaps; none goes over the end of a part."""
    joined: list[int] = []
    for part in parts:
        above = joined[-1] + 1 if joined else 0
        joined += [above + number for number in word_numbers(part)]
    return tuple(joined)
