"""Word and character error rates of transcripts, as speech recognition is judged.

In:  what was said, and what was written of it.
Out: `Edits`: what has to be replaced, left out and put in, and their share of what was said.
Before texts are compared they are normalised as is usual: case, punctuation and white space make no difference.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from edgewright.errors import InputError

Kind = Literal["equal", "replaced", "left out", "put in"]
_APOSTROPHES = str.maketrans({"’": "'", "‘": "'", "ʼ": "'"})
_WITHIN_WORDS = re.compile(r"(?<=\w)'(?=\w)")
_APART = "-–—/"  # marks that part words


@dataclass(frozen=True, kw_only=True)
class AlignedUnit:
    """One unit of an alignment: what was said, what was written, and "" where there is nothing."""

    kind: Kind
    said: str = ""
    written: str = ""


@dataclass(frozen=True, kw_only=True)
class Edits:
    """How many units, words or characters, were said, and which of them were written otherwise."""

    said: int
    replaced: int
    left_out: int
    put_in: int

    @property
    def count(self) -> int:
        """All edits."""
        return self.replaced + self.left_out + self.put_in

    @property
    def rate(self) -> float:
        """Their share of what was said, which may be more than 1. Raises `InputError` where nothing was said."""
        if not self.said:
            raise InputError("an error rate needs something that was said; every reference is empty once normalised")
        return self.count / self.said

    def __add__(self, other: Edits) -> Edits:
        return Edits(
            said=self.said + other.said,
            replaced=self.replaced + other.replaced,
            left_out=self.left_out + other.left_out,
            put_in=self.put_in + other.put_in,
        )


def normalised(text: str) -> str:
    """A text in lower case, without punctuation, in one kind of white space.

    An apostrophe within a word stays, a dash parts words; letters with marks are one character each (NFKC).
    """
    plain = unicodedata.normalize("NFKC", text).translate(_APOSTROPHES).casefold()
    kept = _WITHIN_WORDS.sub("\0", plain)
    letters = [
        each if each == "\0" or unicodedata.category(each)[0] in "LMN" else " " if _parts_words(each) else ""
        for each in kept
    ]
    return " ".join("".join(letters).replace("\0", "'").split())


def word_edits(said: Sequence[str], written: Sequence[str]) -> Edits:
    """The edits of words, of all texts together. Raises `InputError` for unequally many."""
    return _summed([(normalised(a).split(), normalised(b).split()) for a, b in _pairs(said, written)])


def character_edits(said: Sequence[str], written: Sequence[str]) -> Edits:
    """The edits of characters, white space between words among them."""
    return _summed([(list(normalised(a)), list(normalised(b))) for a, b in _pairs(said, written)])


def alignment(said: Sequence[str], written: Sequence[str]) -> list[AlignedUnit]:
    """What became of each unit, with as few edits as can be (Levenshtein 1966); of equals replacements come first."""
    costs = _costs(said, written)
    steps: list[AlignedUnit] = []
    row, column = len(said), len(written)
    while row or column:
        equal = bool(row and column) and said[row - 1] == written[column - 1]
        if row and column and costs[row][column] == costs[row - 1][column - 1] + (not equal):
            row, column = row - 1, column - 1
            kind: Kind = "equal" if equal else "replaced"
            steps.append(AlignedUnit(kind=kind, said=said[row], written=written[column]))
        elif row and costs[row][column] == costs[row - 1][column] + 1:
            row -= 1
            steps.append(AlignedUnit(kind="left out", said=said[row]))
        else:
            column -= 1
            steps.append(AlignedUnit(kind="put in", written=written[column]))
    return steps[::-1]


def _costs(said: Sequence[str], written: Sequence[str]) -> list[list[int]]:
    """The fewest edits from the first i units to the first j."""
    costs = [list(range(len(written) + 1))]
    for place, unit in enumerate(said, start=1):
        above, row = costs[-1], [place]
        for column, other in enumerate(written, start=1):
            row.append(min(above[column] + 1, row[-1] + 1, above[column - 1] + (unit != other)))
        costs.append(row)
    return costs


def _parts_words(character: str) -> bool:
    return character in _APART or unicodedata.category(character)[0] in "ZC"


def _pairs(said: Sequence[str], written: Sequence[str]) -> list[tuple[str, str]]:
    if len(said) != len(written):
        raise InputError(f"there are {len(said)} references for {len(written)} transcripts; give as many of both")
    return list(zip(said, written, strict=True))


def _summed(pairs: Sequence[tuple[Sequence[str], Sequence[str]]]) -> Edits:
    total = Edits(said=0, replaced=0, left_out=0, put_in=0)
    for said, written in pairs:
        kinds = [step.kind for step in alignment(said, written)]
        total += Edits(
            said=len(said),
            replaced=kinds.count("replaced"),
            left_out=kinds.count("left out"),
            put_in=kinds.count("put in"),
        )
    return total
