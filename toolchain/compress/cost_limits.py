"""What heads and neurons cost, in any one unit, and the limit that a search keeps within.

In:  sizes of a model.
Out: `Costs` by multiply-accumulates or bytes, and `CostLimit`s. Costs in milliseconds are `cost`'s concern.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Protocol

from edgewright.models.transformer_shape import LayerShape


class Costs(Protocol):
    """What parts cost, in any one unit; the same for all layers. Nothing kept costs 0."""

    @property
    def fixed(self) -> float:
        """All that no cut of layers, heads or neurons changes."""

    def attention(self, heads: int) -> float:
        """One layer's attention with so many heads."""

    def feed_forward(self, neurons: int) -> float:
        """One layer's feed-forward block with so many neurons."""


@dataclass(frozen=True, kw_only=True)
class MacCosts:
    """Multiply-accumulates of one text of `length` tokens."""

    width: int
    head_width: int
    length: int
    fixed: float = 0.0

    def attention(self, heads: int) -> float:
        """Four projections, and two products over all pairs of tokens."""
        return heads * self.head_width * self.length * (4.0 * self.width + 2.0 * self.length)

    def feed_forward(self, neurons: int) -> float:
        """Two matrices."""
        return 2.0 * self.length * self.width * neurons


@dataclass(frozen=True, kw_only=True)
class ByteCosts:
    """Bytes of weights; `weight_bytes` is what one weight takes, 1 in int8. Biases and scales are left out."""

    width: int
    head_width: int
    weight_bytes: float = 1.0
    fixed: float = 0.0

    def attention(self, heads: int) -> float:
        """Queries, keys, values and the output."""
        return 4.0 * self.width * self.head_width * heads * self.weight_bytes

    def feed_forward(self, neurons: int) -> float:
        """Two matrices."""
        return 2.0 * self.width * neurons * self.weight_bytes


@dataclass(frozen=True, kw_only=True)
class CostLimit:
    """A cost that may not be passed; `name` says what it is, with its unit."""

    costs: Costs
    budget: float
    name: str = "cost"


def layers_cost(costs: Costs, layers: Iterable[LayerShape]) -> float:
    """What all of these layers cost together."""
    return sum(costs.attention(layer.heads) + costs.feed_forward(layer.neurons) for layer in layers)


def faster_by(costs: Costs, layers: Iterable[LayerShape], speedup: float) -> CostLimit:
    """So many times less than these layers take, by costs in milliseconds."""
    return CostLimit(costs=costs, budget=layers_cost(costs, layers) / speedup, name="layers' ms")
