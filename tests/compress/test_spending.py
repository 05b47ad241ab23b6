"""What is spent is within the budget by exact prices, and no other choice within it has a smaller error."""

import itertools
import math

import pytest
import torch
from torch import Tensor

from edgewright.compress.spending import least_error


def drawn(parts: int, levels: int, seed: int) -> list[Tensor]:
    chance = torch.Generator().manual_seed(seed)
    return [torch.rand(levels, generator=chance, dtype=torch.float64) for _ in range(parts)]


def sums(values: list[Tensor], picked: tuple[int, ...] | list[int]) -> float:
    return sum(float(each[level]) for each, level in zip(values, picked, strict=True))


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("share", [0.05, 0.4, 0.9])
def test_no_choice_within_the_budget_has_a_smaller_error(seed: int, share: float) -> None:
    errors, prices = drawn(4, 4, seed), drawn(4, 4, 100 + seed)
    least, most = sum(float(each.min()) for each in prices), sum(float(each.max()) for each in prices)
    budget = least + share * (most - least)
    picked = least_error(errors, prices, budget)
    assert sums(prices, picked) <= budget * (1 + 1e-9)
    best = min(sums(errors, each) for each in itertools.product(range(4), repeat=4) if sums(prices, each) <= budget)
    assert sums(errors, picked) == pytest.approx(best)


def test_a_budget_below_the_cheapest_gets_the_cheapest() -> None:
    errors, prices = drawn(3, 5, 0), drawn(3, 5, 1)
    cheapest = [int(each.argmin()) for each in prices]
    assert least_error(errors, prices, 0.0) == cheapest
    assert least_error(errors, prices, sums(prices, cheapest)) == cheapest


def test_a_budget_that_is_met_to_the_last_number_is_spent_whole() -> None:
    # Each third is rounded up to bins; the exact prices fit all the same.
    prices = [torch.tensor([0.0, 1 / 3], dtype=torch.float64)] * 3
    errors = [torch.tensor([1.0, 0.0], dtype=torch.float64)] * 3
    assert least_error(errors, prices, 1.0) == [1, 1, 1]
    picked = least_error(errors, prices, math.nextafter(1.0, 0) - 1e-6)
    assert sorted(picked) == [0, 1, 1]


def test_a_dear_level_that_is_no_better_is_never_taken() -> None:
    prices = [torch.tensor([1.0, 2.0, 3.0])]
    errors = [torch.tensor([0.5, 0.9, 0.5])]
    assert least_error(errors, prices, 100.0) == [0]


def test_no_parts_are_no_fault() -> None:
    assert least_error([], [], 5.0) == []
