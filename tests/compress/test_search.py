"""What is chosen is the best there is within the budget, and never beyond it."""

import itertools
import math
import random

import pytest

from edgewright.compress.cost_limits import ByteCosts, CostLimit, MacCosts
from edgewright.compress.levels import LayerLevels, Level
from edgewright.compress.search import Choice, choose, refine
from edgewright.errors import InputError
from edgewright.models.transformer_shape import LayerCut

COSTS = MacCosts(width=32, head_width=8, length=16, fixed=5000)
BYTES = ByteCosts(width=32, head_width=8)


def part(count: int, step: int, chance: random.Random) -> tuple[Level, ...]:
    """Errors that rise as less is kept."""
    error, levels = 0.0, []
    for kept in range(count, -1, -step):
        levels.append(Level(kept=tuple(range(kept)), error=error))
        error += chance.random() * (1 + count - kept)
    return tuple(levels)


def made(layers: int = 2, seed: int = 0) -> tuple[LayerLevels, ...]:
    chance = random.Random(seed)
    return tuple(LayerLevels(heads=part(4, 1, chance), neurons=part(64, 16, chance)) for _ in range(layers))


def whole_cost(layers: int) -> float:
    return COSTS.fixed + layers * (COSTS.attention(4) + COSTS.feed_forward(64))


def least_error(levels: tuple[LayerLevels, ...], limits: list[CostLimit]) -> float:
    """By trying everything."""
    parts = [each for layer in levels for each in (layer.heads, layer.neurons)]
    best = math.inf
    for chosen in itertools.product(*parts):
        if all(
            limit.costs.fixed
            + sum(
                (limit.costs.feed_forward if number % 2 else limit.costs.attention)(len(level.kept))
                for number, level in enumerate(chosen)
            )
            <= limit.budget
            for limit in limits
        ):
            best = min(best, sum(level.error for level in chosen))
    return best


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("share", [0.1, 0.3, 0.5, 0.9])
def test_no_choice_within_the_budget_has_a_smaller_error(seed: int, share: float) -> None:
    levels = made(seed=seed)
    limit = CostLimit(costs=COSTS, budget=COSTS.fixed + share * (whole_cost(2) - COSTS.fixed))
    found = choose(levels, limit)
    assert found.cost <= limit.budget
    assert found.error == pytest.approx(least_error(levels, [limit]))


def test_all_is_kept_where_the_budget_allows_it() -> None:
    found = choose(made(3), CostLimit(costs=COSTS, budget=whole_cost(3)))
    assert found.error == 0
    assert found.cost == whole_cost(3)
    assert [(len(cut.heads), len(cut.neurons)) for cut in found.cuts] == [(4, 64)] * 3


def test_a_layer_that_keeps_nothing_is_left_out() -> None:
    levels = list(made(3))
    useless = [
        tuple(Level(kept=level.kept, error=0.0) for level in each) for each in (levels[1].heads, levels[1].neurons)
    ]
    levels[1] = LayerLevels(heads=useless[0], neurons=useless[1])
    found = choose(levels, CostLimit(costs=COSTS, budget=whole_cost(2)))
    assert [cut.layer for cut in found.cuts] == [0, 2]
    assert found.error == 0


@pytest.mark.parametrize("seed", range(5))
def test_the_layer_too_many_is_the_one_without_which_the_others_lose_least(seed: int) -> None:
    levels = made(layers=3, seed=seed)
    limit = CostLimit(costs=COSTS, budget=COSTS.fixed + 0.5 * (whole_cost(3) - COSTS.fixed))
    assert len(choose(levels, limit).cuts) == 3
    fewer = choose(levels, limit, layers=2)
    assert len(fewer.cuts) == 2
    assert fewer.cost <= limit.budget
    pairs = [
        [
            each if index != gone else LayerLevels(heads=each.heads[-1:], neurons=each.neurons[-1:])
            for index, each in enumerate(levels)
        ]
        for gone in range(3)
    ]
    assert fewer.error == pytest.approx(min(least_error(tuple(each), [limit]) for each in pairs))
    assert len(choose(levels, limit, layers=3).cuts) == 3


def test_the_budget_is_met_exactly_where_only_the_cheapest_fits() -> None:
    found = choose(made(), CostLimit(costs=COSTS, budget=COSTS.fixed))
    assert found.cuts == ()
    assert found.cost == COSTS.fixed


@pytest.mark.parametrize("budget", [4999.0, math.nan])
def test_a_budget_below_the_cheapest_is_refused_with_what_can_be_reached(budget: float) -> None:
    with pytest.raises(InputError, match=r"for MACs cannot be met: .* takes 5000, of which 5000 is fixed; allow 5000"):
        choose(made(), CostLimit(costs=COSTS, budget=budget, name="MACs"))


def test_kept_sizes_are_those_of_the_levels() -> None:
    for share in (0.2, 0.4, 0.6):
        for cut in choose(made(4), CostLimit(costs=COSTS, budget=share * whole_cost(4))).cuts:
            assert len(cut.neurons) % 16 == 0


def test_a_second_budget_is_met_too_and_nearly_as_well_as_can_be() -> None:
    for seed in range(5):
        levels = made(seed=seed)
        first = CostLimit(costs=COSTS, budget=0.7 * whole_cost(2))
        both = [
            first,
            CostLimit(costs=BYTES, budget=0.4 * 2 * (BYTES.attention(4) + BYTES.feed_forward(64)), name="bytes"),
        ]
        found = choose(levels, *both)
        assert all(cost <= limit.budget for cost, limit in zip(found.costs, both, strict=True))
        assert found.error <= 1.5 * least_error(levels, both)


def test_two_budgets_that_cannot_be_met_together_are_refused() -> None:
    with pytest.raises(InputError, match="for bytes cannot be met"):
        choose(made(), CostLimit(costs=COSTS, budget=1e9), CostLimit(costs=BYTES, budget=-1, name="bytes"))


def test_weights_move_what_is_kept() -> None:
    limit = CostLimit(costs=COSTS, budget=0.5 * whole_cost(2))

    def neurons_of_the_first(weight: float) -> int:
        cuts = choose(made(), limit, weights=[1, weight, 1, 1]).cuts
        return sum(len(cut.neurons) for cut in cuts if cut.layer == 0)

    assert neurons_of_the_first(1e-6) == 0
    assert neurons_of_the_first(1e6) == 64
    with pytest.raises(InputError, match="3 weights for 4 parts"):
        choose(made(), limit, weights=[1, 1, 1])


def test_refining_finds_what_the_errors_do_not_tell_and_stays_within_the_budget() -> None:
    levels = made(4)
    limit = CostLimit(costs=COSTS, budget=0.5 * whole_cost(4))
    calls: list[tuple[LayerCut, ...]] = []

    def loss(cuts: tuple[LayerCut, ...]) -> float:
        """Only the first layer's heads really count."""
        calls.append(cuts)
        return -sum(len(cut.heads) for cut in cuts if cut.layer == 0)

    def refined() -> Choice:
        return refine(levels, limit, loss, steps=30, seed=1)

    found = refined()
    assert loss(found.cuts) < loss(choose(levels, limit).cuts)
    assert found.cost <= limit.budget
    calls.clear()
    assert refined() == found
    assert len(set(calls)) == len(calls)
