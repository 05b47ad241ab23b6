"""Several texts in one row of tokens, so that no arithmetic goes into padding; each sees itself alone.

In:  texts as tokens, each with the first one that counts, and how long a row is.
Out: `PackedRows`: which texts share a row, and batches of rows as a family that predicts tokens takes them.
What is learned of the counted tokens is `compress`'s concern.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Protocol

import torch
from torch import Tensor

from edgewright.models.causal_inputs import CausalInputs
from edgewright.models.inputs import Inputs
from edgewright.models.units import ranges


class PredictedRow(Protocol):
    """A text as tokens, of which those from `first` on, at least 1, are to be predicted."""

    @property
    def ids(self) -> Sequence[int]:
        """Its tokens."""

    @property
    def first(self) -> int:
        """The index of the first token that counts."""


@dataclass(frozen=True, kw_only=True)
class PackedBatch:
    """Rows of texts, and where their counted tokens are predicted.

    `ids`, `places` (a token's place in its own text) and `texts` (which text of the row it is of, from 1 on; 0 is
    padding) are (rows, length) int64. `predicting` (counted,) are the places, in the flattened batch, of the tokens
    whose states predict the counted ones `following` (counted,), text after text; `examples` are the texts in that
    order.
    """

    ids: Tensor
    places: Tensor
    texts: Tensor
    predicting: Tensor
    following: Tensor
    examples: tuple[int, ...]

    def to(self, device: torch.device) -> PackedBatch:
        """The same where a model is."""
        moved = (each.to(device) for each in (self.ids, self.places, self.texts, self.predicting, self.following))
        ids, places, texts, predicting, following = moved
        return PackedBatch(
            ids=ids, places=places, texts=texts, predicting=predicting, following=following, examples=self.examples
        )


@dataclass(frozen=True, kw_only=True)
class PackedRows:
    """Texts packed into rows of at most `length` tokens; `rows` has the indexes of each row's texts."""

    texts: Sequence[PredictedRow]
    rows: tuple[tuple[int, ...], ...]
    length: int

    @classmethod
    def of(cls, texts: Sequence[PredictedRow], length: int) -> PackedRows:
        """Pack them; a text longer than `length` has a row of its own."""
        return cls(texts=texts, rows=packed([len(text.ids) for text in texts], length), length=length)

    @classmethod
    def of_inputs(cls, inputs: Inputs, length: int) -> PackedRows:
        """Pack examples of a task that writes."""
        assert isinstance(inputs, CausalInputs), f"{type(inputs).__name__} are no texts of which tokens are predicted"
        return cls.of(inputs.rows, length)

    def __len__(self) -> int:
        return len(self.rows)

    @cached_property
    def sizes(self) -> list[int]:
        """The tokens of each row."""
        return [sum(len(self.texts[index].ids) for index in row) for row in self.rows]

    @cached_property
    def counts(self) -> Tensor:
        """How many tokens of each text count, (texts,) int64."""
        return torch.tensor([len(text.ids) - text.first for text in self.texts], dtype=torch.long).clamp(min=0)

    @cached_property
    def starts(self) -> Tensor:
        """Where each text's counted tokens begin among those of all texts, and where the last ends, (texts + 1,)."""
        return torch.cat([self.counts.new_zeros(1), self.counts.cumsum(0)])

    def batch(self, indexes: Sequence[int], *, rows: int = 0) -> PackedBatch:
        """These rows, and empty ones up to `rows` where there are fewer: a compiled model knows but one size."""
        longest = max(self.length, *(self.sizes[index] for index in indexes))
        shape = (max(rows, len(indexes)), longest)
        ids, places, texts = (torch.zeros(shape, dtype=torch.long) for _ in range(3))
        predicting, following, examples = [], [], []
        for number, index in enumerate(indexes):
            begin = 0
            for order, example in enumerate(self.rows[index], start=1):
                text = self.texts[example]
                own = torch.tensor(text.ids, dtype=torch.long)
                part = slice(begin, begin + len(own))
                ids[number, part], places[number, part], texts[number, part] = own, torch.arange(len(own)), order
                first = number * longest + begin + text.first
                predicting.append(torch.arange(first - 1, first - 1 + int(self.counts[example])))
                following.append(own[text.first :])
                examples.append(example)
                begin += len(own)
        return PackedBatch(
            ids=ids,
            places=places,
            texts=texts,
            predicting=torch.cat(predicting),
            following=torch.cat(following),
            examples=tuple(examples),
        )

    def recorded_places(self, batch: PackedBatch) -> Tensor:
        """Where a batch's counted tokens are among those of all texts, (counted,)."""
        chosen = torch.tensor(batch.examples, dtype=torch.long)
        return ranges(self.starts[chosen], self.counts[chosen])


def packed(sizes: Sequence[int], length: int) -> tuple[tuple[int, ...], ...]:
    """Indexes of texts of these sizes in rows of at most `length`: the longest first, each where it fits best.

    Best-fit decreasing needs at most 11/9 of the fewest rows (Johnson 1973), and far less over where texts are short.
    """
    rows: list[list[int]] = []
    free: list[tuple[int, int]] = []  # (tokens left, row), rising
    for index in sorted(range(len(sizes)), key=lambda each: -sizes[each]):
        place = bisect_left(free, (sizes[index], 0))
        left, row = free.pop(place) if place < len(free) else (length, len(rows))
        if row == len(rows):
            rows.append([])
        rows[row].append(index)
        if left > sizes[index]:
            insort(free, (left - sizes[index], row))
    return tuple(map(tuple, rows))
