"""Which rank each matrix gets: by a share of its energy, as given, or within a budget of parameters.

In:  a `Spectrum` for each matrix.
Out: a `RankChoice` for each, and a row of the report.
"""

from __future__ import annotations

import heapq
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch

from edgewright.compress.spectra import Spectrum

MARGIN = 0.1  # two products instead of one must save at least this share of the parameters

Pays = Callable[[int, int, int], bool]


@dataclass(frozen=True, kw_only=True)
class FactorisedMatrix:
    """What became of one matrix, biases not counted; the token table reads one of `inputs` tokens.

    `rank` is None for a matrix that is whole. `energy` is the share of its output's weighted variance on the
    calibration inputs that is kept. `unchanged` says why it is as it was, None where it was factorised.
    """

    name: str
    inputs: int
    outputs: int
    rank: int | None
    energy: float
    parameters_before: int
    parameters_after: int
    unchanged: str | None


@dataclass(frozen=True)
class RankChoice:
    """A rank for one matrix, None for one that is whole; `unchanged` says why it stays as it was."""

    rank: int | None
    unchanged: str | None = None


class MatrixRanks:
    """One matrix's ranks to choose from: what each keeps, and whether it pays."""

    def __init__(self, spectrum: Spectrum, multiple: int, pays: Pays | None) -> None:
        self.name, self.part = spectrum.name, spectrum.name.split(".")[-1]
        self.outputs, self.inputs = spectrum.weight.shape
        self.rank, self.multiple, self.pays = spectrum.rank, multiple, pays
        self.total = total = float(spectrum.energies.sum())
        sums = spectrum.energies.cumsum(0) / total if total else torch.ones_like(spectrum.energies)
        self.kept = [0.0, *sums.clamp(max=1.0).tolist()]

    def parameters(self, rank: int | None) -> int:
        """How many numbers it takes at this rank, or whole."""
        return rank * (self.inputs + self.outputs) if rank else self.inputs * self.outputs

    def energy(self, rank: int | None) -> float:
        """The share of its output's weighted variance that this rank keeps."""
        return self.kept[min(rank, len(self.kept) - 1)] if rank else 1.0

    def lost(self, rank: int | None) -> float:
        """What the model's output changes by, squared: comparable between matrices."""
        return self.total * (1 - self.energy(rank))

    def refused(self, rank: int) -> str | None:
        """Why this rank is no gain, None where it is one."""
        if self.rank and rank >= self.rank:
            return f"it already has rank {self.rank}"
        if self.parameters(rank) > (1 - MARGIN) * self.parameters(None):
            return f"rank {rank} would save less than {MARGIN:.0%} of its parameters"
        if self.pays and not self.pays(self.inputs, self.outputs, rank):
            return f"rank {rank} does not pay on the device"
        return None

    def with_rank(self, rank: int | None) -> RankChoice:
        """This rank, rounded up to the multiple, where it is a gain."""
        if rank is None:
            return RankChoice(self.rank, "no rank was asked for it")
        rounded = -(-rank // self.multiple) * self.multiple
        reason = self.refused(rounded)
        return RankChoice(self.rank, reason) if reason else RankChoice(rounded)

    def with_energy(self, share: float) -> RankChoice:
        """The smallest rank that keeps this share of the energy."""
        # The last sums differ from 1 by rounding only.
        return self.with_rank(next(rank for rank, kept in enumerate(self.kept) if rank and kept >= share - 1e-12))

    def paying(self) -> list[RankChoice]:
        """Every choice, the one with the most parameters (as it is) first."""
        ranks = range(self.multiple, len(self.kept) + self.multiple, self.multiple)
        return [
            RankChoice(self.rank, "the budget spares it"),
            *(RankChoice(r) for r in reversed(ranks) if not self.refused(r)),
        ]

    def reported(self, choice: RankChoice) -> FactorisedMatrix:
        """A row of the report."""
        return FactorisedMatrix(
            name=self.name,
            inputs=self.inputs,
            outputs=self.outputs,
            rank=choice.rank,
            energy=1.0 if choice.unchanged else self.energy(choice.rank),
            parameters_before=self.parameters(self.rank),
            parameters_after=self.parameters(choice.rank),
            unchanged=choice.unchanged,
        )


@dataclass(frozen=True)
class _Point:
    """A choice for one matrix, its parameters and the energy it loses."""

    choice: RankChoice
    parameters: int
    lost: float


def within_budget(matrices: Sequence[MatrixRanks], keep: float) -> list[RankChoice]:
    """Step down where a parameter saved costs the least energy, until all fit; then spend what is left over."""
    every = [_points(matrix) for matrix in matrices]
    hulls = [_hull(points) for points in every]
    current = [hull[0] for hull in hulls]
    left = math.floor(keep * sum(point.parameters for point in current))
    left -= sum(point.parameters for point in current)
    waiting = [(_price(*hull[:2]), index, 1) for index, hull in enumerate(hulls) if len(hull) > 1]
    heapq.heapify(waiting)
    while left < 0 and waiting:
        _, index, step = heapq.heappop(waiting)
        left += current[index].parameters - hulls[index][step].parameters
        current[index] = hulls[index][step]
        if step + 1 < len(hulls[index]):
            heapq.heappush(waiting, (_price(*hulls[index][step : step + 2]), index, step + 1))
    while True:
        # A last step may have been larger than needed: from whole to two matrices, above all.
        better = [
            (_price(point, current[index]), index, place)
            for index, points in enumerate(every)
            for place, point in enumerate(points)
            if 0 < point.parameters - current[index].parameters <= left and point.lost < current[index].lost
        ]
        if not better:
            break
        _, index, place = max(better)
        left -= every[index][place].parameters - current[index].parameters
        current[index] = every[index][place]
    return [
        point.choice if len(points) > 1 else RankChoice(matrix.rank, "no rank of it pays")
        for matrix, points, point in zip(matrices, every, current, strict=True)
    ]


def _points(matrix: MatrixRanks) -> list[_Point]:
    return [
        _Point(choice, matrix.parameters(choice.rank), 0.0 if choice.unchanged else matrix.lost(choice.rank))
        for choice in matrix.paying()
    ]


def _hull(points: Sequence[_Point]) -> list[_Point]:
    """Those that no mixture of two others beats: from one to the next, a parameter saved costs ever more."""
    kept: list[_Point] = []
    for point in points:
        while len(kept) > 1 and _price(kept[-2], kept[-1]) >= _price(kept[-1], point):
            kept.pop()
        kept.append(point)
    return kept


def _price(larger: _Point, smaller: _Point) -> float:
    """The energy that one parameter fewer costs."""
    return (smaller.lost - larger.lost) / (larger.parameters - smaller.parameters)
