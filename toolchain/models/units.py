"""The units by which hidden vectors of a teacher and a student are compared.

In:  examples as a model takes them.
Out: which unit each token belongs to: a word of a text, which two vocabularies may split otherwise, or a patch of an
     image. A batch's units are found at once, for what is done example by example costs more than the arithmetic.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import chain

import torch
from torch import Tensor

from edgewright.models.inputs import Inputs, TextInputs
from edgewright.models.transformer import Transformer
from edgewright.models.vision import VisionEncoder


@dataclass(frozen=True, kw_only=True)
class Joined:
    """The units of a batch, example after example.

    `places` (tokens,) are those of the tokens in the flattened batch (examples × longest), padding left out, `numbers`
    (tokens,) the units they belong to, and `counts` (examples,) how many units each example has.
    """

    places: Tensor
    numbers: Tensor
    counts: Tensor

    @cached_property
    def sizes(self) -> Tensor:
        """How many tokens each unit has, (units,)."""
        return self.numbers.bincount(minlength=int(self.counts.sum()))

    def means(self, vectors: Tensor) -> Tensor:
        """The mean vector of each unit's tokens: (examples, longest, width) → (units, width)."""
        tokens = rows_at(vectors.flatten(0, 1), self.places)
        sizes = self.sizes.to(vectors.device)
        sums = tokens.new_zeros(len(sizes), tokens.shape[-1]).index_add(0, self.numbers.to(vectors.device), tokens)
        return sums / sizes[:, None]

    def firsts(self, vectors: Tensor) -> Tensor:
        """The vector of each unit's first token: (examples, longest, width) → (units, width)."""
        starts = torch.ones_like(self.numbers, dtype=torch.bool)
        starts[1:] = self.numbers[1:] != self.numbers[:-1]
        return rows_at(vectors.flatten(0, 1), self.places[starts])


@dataclass(frozen=True, kw_only=True)
class Units:
    """Every example's units: `numbers` has for each token that of its unit, counted from 0 in each example.

    Example i has the tokens `starts[i]` to `starts[i + 1]`; without `starts` the examples are all alike.
    """

    numbers: Tensor
    starts: Tensor | None = None

    def counts(self, indexes: Sequence[int]) -> Tensor:
        """How many units each of these examples has, (examples,)."""
        if self.starts is None:
            return torch.full((len(indexes),), int(self.numbers[-1]) + 1)
        return self.numbers[self.starts[torch.tensor(indexes) + 1] - 1] + 1

    def joined(self, indexes: Sequence[int]) -> Joined:
        """Those of a batch."""
        counts = self.counts(indexes)
        if self.starts is None:
            first, lengths = torch.zeros(len(indexes), dtype=torch.long), torch.full_like(counts, len(self.numbers))
        else:
            chosen = torch.tensor(indexes)
            first, lengths = self.starts[chosen], self.starts[chosen + 1] - self.starts[chosen]
        row = torch.repeat_interleave(torch.arange(len(indexes)), lengths)
        within = ranges(torch.zeros_like(lengths), lengths)
        return Joined(
            places=row * int(lengths.max()) + within,
            numbers=self.numbers[first[row] + within] + (counts.cumsum(0) - counts)[row],
            counts=counts,
        )


def units_of(encoder: Transformer, inputs: Inputs) -> Units:
    """How this encoder's tokens of these examples are grouped."""
    if isinstance(inputs, TextInputs):
        return units_of_texts(inputs)
    if isinstance(encoder, VisionEncoder):
        return Units(numbers=torch.arange(encoder.shape.starts + encoder.shape.patches))
    raise TypeError(f"{type(inputs).__name__} has no units that {type(encoder).__name__} could be compared by")


def units_of_texts(inputs: Inputs) -> Units:
    """The words of texts. Raises `TypeError` for examples of another kind."""
    if not isinstance(inputs, TextInputs):
        raise TypeError(f"{type(inputs).__name__} are no texts, whose words could be compared")
    lengths = torch.tensor([0, *inputs.sizes])
    numbers = torch.tensor(list(chain.from_iterable(row.words for row in inputs.rows)))
    return Units(numbers=numbers, starts=lengths.cumsum(0))


def rows_at(rows: Tensor, places: Tensor) -> Tensor:
    """`rows[places]` on the device of `rows`; indexing with brackets takes ten times as long to go back through."""
    return rows.index_select(0, places.to(rows.device))


def ranges(starts: Tensor, counts: Tensor) -> Tensor:
    """So many numbers from each start on, one range after another: (n,) and (n,) → (sum of counts,)."""
    shifts = starts - (counts.cumsum(0) - counts)
    return torch.repeat_interleave(shifts, counts) + torch.arange(int(counts.sum()))
