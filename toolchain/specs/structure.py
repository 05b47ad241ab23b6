"""What a model computes, operator by operator, in sizes alone: all that a prediction of its latency and memory asks.

In:  sizes, of which some grow with a text's length.
Out: `Structure`: JSON-safe, and independent of the device, the runtime and the number format.
How one is read off a model is `trace`'s concern; what it costs somewhere is `pricing`'s.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from math import prod
from typing import Literal

Kind = Literal[
    "linear",
    "matmul",
    "convolution",
    "depthwise",
    "normalisation",
    "softmax",
    "embedding",
    "activation",
    "elementwise",
    "reduction",
    "permute",
    "transpose",
    "slice",
    "bytes",
]

Affine = tuple[int, int]
"""A size as a constant, and what each token adds to it."""

# What the sizes of each kind are; of the others they are the dimensions of what they give.
SIZES: Mapping[Kind, tuple[str, ...]] = {
    "linear": ("rows", "inputs", "outputs"),
    "matmul": ("batch", "rows", "inputs", "outputs"),
    "convolution": ("pixels", "taps", "channels", "outputs"),
    "depthwise": ("pixels", "channels", "taps"),
    "normalisation": ("rows", "width"),
    "softmax": ("rows", "width"),
    "embedding": ("rows", "width"),
    "activation": ("elements",),
    "elementwise": ("elements",),
    "reduction": ("outputs", "inputs"),  # of each output
    "permute": ("rows", "width"),  # rows stay whole and change places
    "transpose": ("batch", "rows", "columns"),
    "slice": ("pieces", "elements"),  # pieces lie in one piece before and after
    "bytes": ("elements",),  # of an image: put in order and made numbers, by a runtime's own kernels
}


@dataclass(frozen=True, kw_only=True)
class Operator:
    """One operator, `count` times. Its `sizes` are products of the factors that `SIZES` names, each of them affine."""

    kind: Kind
    sizes: tuple[tuple[Affine, ...], ...]
    count: int = 1

    def at(self, length: int) -> tuple[int, ...]:
        """The sizes for a text of `length` tokens."""
        return tuple(prod(a + b * length for a, b in size) for size in self.sizes)


@dataclass(frozen=True, kw_only=True)
class Structure:
    """A whole model. `live` are the shapes of the tensors that are needed at once where most are.

    Weights are counted: those of look-up tables, of matrices and filters, and all others.
    """

    operators: tuple[Operator, ...]
    live: tuple[tuple[Affine, ...], ...]
    table_weights: int
    table_rows: int
    matrix_weights: int
    other_weights: int

    def activation_bytes(self, length: int) -> int:
        """What is needed at once between operators, as float32."""
        return 4 * sum(prod(a + b * length for a, b in shape) for shape in self.live)

    @cached_property
    def weights(self) -> int:
        """All numbers the model holds."""
        return self.table_weights + self.matrix_weights + self.other_weights

    def weight_bytes(self, *, int8: bool) -> int:
        """In a file: with int8 one byte for each number of tables and matrices, and a scale for each row of a table."""
        if not int8:
            return 4 * self.weights
        return self.table_weights + self.matrix_weights + 4 * (self.table_rows + self.other_weights)


def joined(operators: Sequence[Operator]) -> tuple[Operator, ...]:
    """The same with equal operators counted, in the order they are first met."""
    counts: dict[tuple[Kind, tuple[tuple[Affine, ...], ...]], int] = {}
    for each in operators:
        key = (each.kind, each.sizes)
        counts[key] = counts.get(key, 0) + each.count
    return tuple(Operator(kind=kind, sizes=sizes, count=count) for (kind, sizes), count in counts.items())
