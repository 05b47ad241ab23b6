"""The units by which hidden vectors of a teacher and a student are compared.

In:  examples as a model takes them.
Out: which unit each token belongs to: a word of a text, which two vocabularies may split otherwise, or a patch of an
     image.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from toolchain.models.inputs import Inputs, TextInputs
from toolchain.models.transformer import Transformer
from toolchain.models.vision import VisionEncoder


@dataclass(frozen=True)
class Units:
    """`texts` are the rows that are split into words; without them every one of `tokens` positions is a unit."""

    texts: TextInputs | None
    tokens: int

    def of(self, index: int) -> Tensor:
        """The unit of each token of one example, (tokens,) int64."""
        return torch.as_tensor(self.texts.rows[index].words) if self.texts else torch.arange(self.tokens)

    def count(self, index: int) -> int:
        """How many units one example has."""
        return self.texts.rows[index].words[-1] + 1 if self.texts else self.tokens

    def first(self, index: int) -> Tensor:
        """The place of each unit's first token, (units,) int64."""
        numbers = self.of(index)
        starts = torch.ones_like(numbers, dtype=torch.bool)
        starts[1:] = numbers[1:] != numbers[:-1]
        return starts.nonzero()[:, 0]


def units_of(encoder: Transformer, inputs: Inputs) -> Units:
    """How this encoder's tokens of these examples are grouped."""
    if isinstance(inputs, TextInputs):
        return Units(inputs, 0)
    if isinstance(encoder, VisionEncoder):
        return Units(None, encoder.shape.starts + encoder.shape.patches)
    raise TypeError(f"{type(inputs).__name__} has no units that {type(encoder).__name__} could be compared by")


def means(vectors: Tensor, numbers: Tensor, count: int) -> Tensor:
    """The mean of the vectors with the same number: (n, width) and (n,) → (count, width)."""
    sums = vectors.new_zeros(count, vectors.shape[-1]).index_add(0, numbers, vectors)
    sizes = vectors.new_zeros(count).index_add(0, numbers, vectors.new_ones(len(numbers)))
    return sums / sizes[:, None]
