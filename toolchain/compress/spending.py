"""The least sum of errors within a budget: dynamic programming over one cost, a multiplier for a second.

In:  the errors and prices of each part's levels, and a budget.
Out: which level of each part.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor

BINS = 10_000  # so fine is the budget cut
HALVINGS = 30


def least_error(errors: Sequence[Tensor], prices: Sequence[Tensor], budget: float) -> list[int]:
    """Which level of each part, within the budget by their exact prices."""
    cheapest = [int(each.argmin()) for each in prices]
    spare = budget - sum(float(each.min()) for each in prices)
    if spare <= 0:
        return cheapest
    # What a level costs beyond its part's cheapest is rounded up to bins. What truly fits takes at most one bin too
    # many for each part: so the table has that many more, and what they offer is looked at with its exact price.
    extra = [each - each.min() for each in prices]
    last = BINS + len(prices)
    steps = [torch.ceil(each * (BINS / spare)).clamp(max=last + 1).long() for each in extra]
    best = torch.zeros(last + 1, dtype=torch.float64)
    taken = []
    for error, step in zip(errors, steps, strict=True):
        reached = torch.full((last + 1,), torch.inf, dtype=torch.float64)
        came = torch.zeros(last + 1, dtype=torch.long)
        for level in _worth_trying(error, step, last):
            shift = int(step[level])
            candidate = best[: last + 1 - shift] + error[level]
            better = candidate < reached[shift:]
            reached[shift:] = torch.where(better, candidate, reached[shift:])
            came[shift:][better] = level
        best = reached
        taken.append(came)
    for room in range(last, BINS, -1):  # the error falls with the room
        picked = _traced(taken, steps, room)
        if sum(float(each[level]) for each, level in zip(extra, picked, strict=True)) <= spare * (1 + 1e-12):
            return picked
    return _traced(taken, steps, BINS)


def _traced(taken: Sequence[Tensor], steps: Sequence[Tensor], room: int) -> list[int]:
    """The levels that led to the best use of so many bins."""
    picked = []
    for came, step in zip(reversed(taken), reversed(steps), strict=True):
        picked.append(int(came[room]))
        room -= int(step[picked[-1]])
    return picked[::-1]


def _worth_trying(error: Tensor, step: Tensor, last: int) -> list[int]:
    """The levels that fit and that no cheaper one betters."""
    levels: list[int] = []
    least = math.inf
    for level in sorted(range(len(error)), key=lambda each: (int(step[each]), float(error[each]))):
        if int(step[level]) <= last and float(error[level]) < least:
            levels.append(level)
            least = float(error[level])
    return levels
