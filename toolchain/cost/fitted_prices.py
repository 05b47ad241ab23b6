"""Prices that were fitted to measurements of one runtime and precision on one machine.

In:  a `Structure` and a length of text.
Out: `Cost`, with a wider spread where sizes lie beyond those that were measured. How the prices are fitted is `fit`'s
     concern.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from edgewright.cost.pricing import Cost
from edgewright.cost.terms import TERMS, Kernels, Limit, memory_terms, terms
from edgewright.specs.structure import Kind, Structure

FAR = 1.25  # beyond a calibrated size by this much is an extrapolation
WORTH_TELLING = 0.05  # of the latency


@dataclass(frozen=True, kw_only=True)
class FittedPrices:
    """Prices fitted to measurements of one runtime and precision on one machine.

    `rates` are ms for each of a kind's terms; `base_ms` is what any model takes. `seen` are the smallest and largest
    sizes of each kind that were measured. Memory is `memory` times (1, the artifact's bytes, a copy of all matrices
    that is packed for the kernels, the activations' bytes).
    """

    source: str
    kernels: Kernels
    base_ms: float
    rates: Mapping[Kind, tuple[float, ...]]
    seen: Mapping[Kind, tuple[tuple[int, int], ...]]
    spread: float
    parallel_share: float
    memory: tuple[float, ...]
    memory_spread: float

    def cost(self, structure: Structure, length: int) -> Cost:
        """Each operator's terms times their rates."""
        by_limit: dict[Limit, float] = {"arithmetic": 0.0, "bandwidth": 0.0, "overhead": self.base_ms}
        by_kind = {"model": self.base_ms}
        strange: dict[str, float] = {}
        excess = 0.0
        streamed = self.kernels.streamed(structure.matrix_weights)
        for operator in structure.operators:
            kind, sizes = operator.kind, operator.at(length)
            rates = self.rates.get(kind)
            if rates is None:
                strange[f"{kind}, which was not calibrated"] = 1.0
                excess += 1.0
                continue
            ms = 0.0
            found = terms(kind, sizes, self.kernels, streamed)
            for limit, rate, term in zip(TERMS[kind], rates, found, strict=True):
                each = operator.count * rate * term
                by_limit[limit] += each
                ms += each
            by_kind[kind] = by_kind.get(kind, 0.0) + ms
            beyond = _beyond(sizes, self.seen[kind])
            if beyond > FAR:
                excess += ms * math.log2(beyond)
                where = f"{kind} of {' × '.join(map(str, sizes))}"
                strange[where] = strange.get(where, 0.0) + ms
        total = sum(by_limit.values())
        told = [name for name, ms in strange.items() if ms >= WORTH_TELLING * total]
        notes = (f"beyond what was calibrated: {', '.join(told)}",) if told else ()
        return Cost(
            by_limit=by_limit,
            by_kind=by_kind,
            spread=self.spread + (excess / total if total else 0.0),
            memory_spread=self.memory_spread,
            notes=notes,
        )

    def shared(self, threads: int) -> float:
        """By Amdahl's law."""
        return 1 / (1 - self.parallel_share + self.parallel_share / threads)

    def memory_bytes(self, structure: Structure, length: int, file_bytes: float, shapes: int) -> float:
        """As fitted."""
        return sum(map(float.__mul__, self.memory, memory_terms(structure, length, file_bytes, shapes)))


def _beyond(sizes: Sequence[int], seen: Sequence[tuple[int, int]]) -> float:
    """By what factor a size is outside of those that were measured; 1 within."""
    return max(max(size / high, low / max(size, 1), 1.0) for size, (low, high) in zip(sizes, seen, strict=True))
