"""What could be done to an artifact, and what a prediction says in words.

In:  predictions of an artifact as it is, and as it would be.
Out: `Change`, and sentences on what limits it and what its time goes to.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from edgewright.cost.pricing import Prediction

NAMES: Mapping[str, str] = {
    "linear": "products with weights",
    "convolution": "convolutions",
    "depthwise": "depthwise convolutions",
    "matmul": "products of attention",
    "softmax": "softmax",
    "normalisation": "normalisation",
    "activation": "activations",
    "embedding": "looking up embeddings",
    "elementwise": "sums and products of elements",
    "reduction": "pooling",
    "permute": "moving tensors",
    "transpose": "moving tensors",
    "slice": "moving tensors",
    "bytes": "reading an image's bytes",
    "model": "what any model takes",
}
LIMITED: Mapping[str, str] = {
    "arithmetic": "arithmetic: fewer or smaller products make it faster, and so do more threads",
    "bandwidth": "memory traffic: fewer bytes make it faster, so smaller matrices, and shorter texts where those of "
    "activations are most; more cores share one memory",
    "overhead": "the overhead of its many small operators: fewer layers make it faster, and neither more threads nor "
    "narrower layers do much",
}


@dataclass(frozen=True, kw_only=True)
class Change:
    """What could be done, how, and what is left of the latency then; `costs` is what it takes in return."""

    what: str
    how: str
    latency_ms: float
    saves_ms: float
    faster: float
    costs: str = ""


def change_to(latency_ms: float, now_ms: float, what: str, how: str, costs: str = "") -> Change:
    """The change that leaves so much of a latency."""
    return Change(
        what=what,
        how=how,
        latency_ms=latency_ms,
        saves_ms=now_ms - latency_ms,
        faster=now_ms / latency_ms,
        costs=costs,
    )


def time_goes_to(found: Prediction) -> Iterator[str]:
    """What limits a latency, and what most of it goes to."""
    share = found.by_limit[found.limited_by] / found.latency_ms
    yield f"{100 * share:.0f} % of it is {LIMITED[found.limited_by]}."
    named: dict[str, float] = {}
    for kind, ms in found.by_kind.items():
        named[NAMES.get(kind, kind)] = named.get(NAMES.get(kind, kind), 0.0) + ms
    most = sorted(named.items(), key=lambda each: -each[1])[:3]
    told = ", ".join(f"{name} {100 * ms / found.latency_ms:.0f} %" for name, ms in most)
    yield f"Most of it goes to {told}."
