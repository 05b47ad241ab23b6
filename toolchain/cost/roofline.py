"""Where each operator of a model lies below the roof of a core: its intensity, and the rate it is expected at.

In:  a profile, prices, a structure and a length.
Out: `Roof`: the core's peaks and its bandwidth, and a `Point` for each operator that computes anything.
After Williams, Waterman and Patterson 2009. How it is drawn is `report.figures`' concern.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from edgewright.cost.nominal_prices import READS_PER_COPY, Roofline
from edgewright.cost.pricing import Prices
from edgewright.cost.terms import Precision
from edgewright.specs.microarchitectures import CORES
from edgewright.specs.profiles import Profile
from edgewright.specs.structure import Kind, Operator, Structure


@dataclass(frozen=True, kw_only=True)
class Point:
    """One operator, `count` times. `intensity` is in operations a byte; a multiply-accumulate counts as two."""

    kind: Kind
    sizes: tuple[int, ...]
    count: int
    intensity: float
    gops: float
    ms: float


@dataclass(frozen=True, kw_only=True)
class Roof:
    """One core's: 10⁹ operations a second, and GB/s of memory traffic."""

    int8_gops: float
    float_gops: float
    bandwidth_gb_s: float
    points: tuple[Point, ...]


def roof_of(profile: Profile, prices: Prices, structure: Structure, *, length: int, precision: Precision) -> Roof:
    """One inference on one thread, by prices of the wall's clock."""
    processor = profile.processor
    core = CORES[processor.core.value]
    return Roof(
        int8_gops=float(processor.int8_peak_gops.value),
        float_gops=core.float_operations_per_cycle * processor.clock_mhz.value / 1e3,
        bandwidth_gb_s=profile.memory.copy_bandwidth_gb_s.value * READS_PER_COPY,
        points=tuple(_points(Roofline(profile=profile, precision=precision), prices, structure, length)),
    )


def _points(facts: Roofline, prices: Prices, structure: Structure, length: int) -> Iterator[Point]:
    nothing = _ms(prices, structure, (), length)
    for each in structure.operators:
        operations, traffic = facts.work(each.kind, each.at(length))
        ms = (_ms(prices, structure, (each,), length) - nothing) / each.count
        if operations > 0 and traffic > 0 and ms > 0:
            yield Point(
                kind=each.kind,
                sizes=each.at(length),
                count=each.count,
                intensity=operations / traffic,
                gops=operations / ms / 1e6,
                ms=ms * each.count,
            )


def _ms(prices: Prices, structure: Structure, operators: tuple[Operator, ...], length: int) -> float:
    return sum(prices.cost(replace(structure, operators=operators), length).by_limit.values())
