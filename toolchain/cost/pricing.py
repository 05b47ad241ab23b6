"""What a model's structure costs on a device: latency with an interval, what limits it, and memory.

In:  a `Structure`, a length of text, and prices: `fitted_prices` of measurements, or `nominal_prices` of facts alone.
Out: `Prediction`. It is plain arithmetic over a few dozen operators, so that a search may ask for it at every step.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Protocol

from edgewright.base.json_values import JsonObject
from edgewright.cost.terms import LIMITS, Limit
from edgewright.specs.structure import Structure


class Prices(Protocol):
    """What prices anything: a table or a roofline."""

    @property
    def source(self) -> str:
        """Where the prices are from, as a sentence's end."""

    def cost(self, structure: Structure, length: int) -> Cost:
        """A whole model on one thread."""

    def shared(self, threads: int) -> float:
        """By how much `threads` divide arithmetic and traffic."""

    def memory_bytes(self, structure: Structure, length: int, file_bytes: float, shapes: int) -> float:
        """The runner's peak once it ran so many fixed shapes, the largest for texts of that length."""


@dataclass(frozen=True, kw_only=True)
class Cost:
    """Milliseconds by limit and by kind; `spread` is how far off it may be, as a share, and `notes` why."""

    by_limit: Mapping[Limit, float]
    by_kind: Mapping[str, float]
    spread: float
    memory_spread: float
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Prediction:
    """A model on a device, before it has run there. `by_limit` and `by_kind` add up to the latency."""

    latency_ms: float
    low_ms: float
    high_ms: float
    limited_by: Limit
    by_limit: Mapping[Limit, float]
    by_kind: Mapping[str, float]
    peak_memory_bytes: int
    memory_spread: float
    source: str
    notes: tuple[str, ...] = ()

    def document(self) -> JsonObject:
        """JSON-safe."""
        return asdict(self)


def predict(
    prices: Prices,
    structure: Structure,
    *,
    length: int,
    threads: int = 1,
    file_bytes: float | None = None,
    planned_length: int | None = None,
    shapes: int = 1,
) -> Prediction:
    """One inference of a text of `length` tokens, or of an image, where the length counts for nothing.

    `file_bytes` is the artifact's size; None is that of the weights in int8. Memory is that of texts of
    `planned_length`, where a runtime sets it aside for the longest, and of so many fixed `shapes` as a process runs,
    for each of which LiteRT packs the weights anew. The interval is one that nine of ten measurements
    should lie in.
    """
    cost = prices.cost(structure, length)
    divided = prices.shared(threads)
    by_limit = {limit: ms if limit == "overhead" else ms / divided for limit, ms in cost.by_limit.items()}
    total, whole = sum(by_limit.values()), sum(cost.by_limit.values())
    size = structure.weight_bytes(int8=True) if file_bytes is None else file_bytes
    return Prediction(
        latency_ms=total,
        low_ms=total / (1 + cost.spread),
        high_ms=total * (1 + cost.spread),
        limited_by=max(LIMITS, key=by_limit.__getitem__),
        by_limit=by_limit,
        by_kind={kind: ms * total / whole for kind, ms in cost.by_kind.items()} if whole else dict(cost.by_kind),
        peak_memory_bytes=round(prices.memory_bytes(structure, planned_length or length, size, shapes)),
        memory_spread=cost.memory_spread,
        source=prices.source,
        notes=cost.notes,
    )
