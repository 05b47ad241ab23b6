"""Choose how much of each layer to keep, so that the error is least within a budget.

In:  `LayerLevels` with their errors, what heads and neurons cost (milliseconds, MACs or bytes alike), and a budget.
Out: `Choice`: the cuts, what they cost, and the sum of their errors. A layer that keeps nothing is left out.
The errors are `levels`'; where costs in milliseconds come from is `hardware`'s concern.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from edgewright.compress.cost_limits import CostLimit, Costs
from edgewright.compress.levels import LayerLevels, Level
from edgewright.compress.spending import HALVINGS, least_error
from edgewright.errors import InputError
from edgewright.models.transformer_shape import LayerCut

MUTATED = 0.1
LARGEST_STEP = math.log(4)


@dataclass(frozen=True, kw_only=True)
class Choice:
    """What to keep; `costs` are of the limits in the order given, `error` is the sum of the levels' own errors."""

    cuts: tuple[LayerCut, ...]
    costs: tuple[float, ...]
    error: float

    @property
    def cost(self) -> float:
        """Of the first limit."""
        return self.costs[0]


def choose(
    levels: Sequence[LayerLevels],
    limit: CostLimit,
    also: CostLimit | None = None,
    *,
    weights: Sequence[float] | None = None,
    layers: int | None = None,
) -> Choice:
    """The levels with the least sum of errors whose cost is within `limit`, and within `also`.

    `weights` multiply the errors of each layer's attention and feed-forward block in turn, two for each layer. The
    first limit is met by dynamic programming over its cost, cut into `BINS` (Frantar and Alistarh 2022, SPDP); the
    second through a Lagrange multiplier, so that near it a slightly better choice may be missed. At most so many
    `layers` stay, where a number is given: one after another goes whose loss makes the others' choice the least worse.
    Raises `InputError` with the cheapest there is, where that is beyond a limit.
    """
    choice = _chosen(levels, limit, also, weights)
    while layers is not None and len(choice.cuts) > max(layers, 0):
        fewer = [_without(levels, cut.layer) for cut in choice.cuts]
        levels, choice = min(
            ((each, _chosen(each, limit, also, weights)) for each in fewer), key=lambda way: way[1].error
        )
    return choice


def _without(levels: Sequence[LayerLevels], layer: int) -> tuple[LayerLevels, ...]:
    """The same, but that nothing of this layer can stay."""
    gone = LayerLevels(heads=levels[layer].heads[-1:], neurons=levels[layer].neurons[-1:])
    return tuple(gone if index == layer else each for index, each in enumerate(levels))


def _chosen(
    levels: Sequence[LayerLevels], limit: CostLimit, also: CostLimit | None, weights: Sequence[float] | None
) -> Choice:
    parts = _parts(levels, weights)
    first = [_prices(limit.costs, number, part) for number, (part, _) in enumerate(parts)]
    errors = [torch.tensor([level.error for level in part], dtype=torch.float64) * weight for part, weight in parts]
    _check(limit, first)
    picked = least_error(errors, first, limit.budget - limit.costs.fixed)
    if also is None:
        return _choice(levels, parts, picked, (limit,))
    second = [_prices(also.costs, number, part) for number, (part, _) in enumerate(parts)]
    _check(also, second)
    picked = _within_both(errors, first, limit, second, also, picked)
    return _choice(levels, parts, picked, (limit, also))


def refine(
    levels: Sequence[LayerLevels],
    limit: CostLimit,
    evaluate: Callable[[tuple[LayerCut, ...]], float],
    also: CostLimit | None = None,
    *,
    steps: int,
    seed: int = 0,
    on_progress: Callable[[int], None] | None = None,
) -> Choice:
    """Better the choice by a local search on what really counts: `evaluate` gives the loss of a model so cut.

    Each step changes the weights of a tenth of the parts at random and chooses anew within the same limits; a lower
    loss is kept (the search of Kurtic et al. 2023, ZipLM). No cuts are evaluated twice; `on_progress`
    hears the steps done.
    """
    chance = random.Random(seed)
    weights = [1.0] * (2 * len(levels))
    best = choose(levels, limit, also)
    least = evaluate(best.cuts)
    seen = {best.cuts}
    for step in range(steps):
        tried = list(weights)
        for place in chance.sample(range(len(tried)), max(1, round(MUTATED * len(tried)))):
            tried[place] *= math.exp(chance.uniform(-LARGEST_STEP, LARGEST_STEP))
        choice = choose(levels, limit, also, weights=tried)
        if choice.cuts not in seen:
            seen.add(choice.cuts)
            loss = evaluate(choice.cuts)
            if loss < least:
                best, least, weights = choice, loss, tried
        if on_progress:
            on_progress(step + 1)
    return best


def _parts(levels: Sequence[LayerLevels], weights: Sequence[float] | None) -> list[tuple[tuple[Level, ...], float]]:
    """Attention and feed-forward in turn, layer by layer, each with its weight."""
    both = [part for layer in levels for part in (layer.heads, layer.neurons)]
    shares = [1.0] * len(both) if weights is None else list(weights)
    if len(shares) != len(both):
        raise InputError(f"there are {len(shares)} weights for {len(both)} parts; give two for each layer")
    return list(zip(both, shares, strict=True))


def _prices(costs: Costs, number: int, part: Sequence[Level]) -> Tensor:
    price = costs.feed_forward if number % 2 else costs.attention
    return torch.tensor([price(len(level.kept)) for level in part], dtype=torch.float64)


def _check(limit: CostLimit, prices: Sequence[Tensor]) -> None:
    cheapest = limit.costs.fixed + sum(float(each.min()) for each in prices)
    if not limit.budget >= cheapest:  # NaN too
        raise InputError(
            f"the budget of {limit.budget:g} for {limit.name} cannot be met: the least that can be kept takes "
            f"{cheapest:g}, of which {limit.costs.fixed:g} is fixed; allow {cheapest:g} or more"
        )


def _within_both(
    errors: Sequence[Tensor],
    first: Sequence[Tensor],
    limit: CostLimit,
    second: Sequence[Tensor],
    also: CostLimit,
    picked: list[int],
) -> list[int]:
    """Raise the price of the second cost until it is met, and no further."""

    def second_cost(each: Sequence[int]) -> float:
        return also.costs.fixed + sum(float(prices[level]) for prices, level in zip(second, each, strict=True))

    def at(price: float) -> list[int]:
        penalised = [error + price * cost for error, cost in zip(errors, second, strict=True)]
        return least_error(penalised, first, limit.budget - limit.costs.fixed)

    if second_cost(picked) <= also.budget:
        return picked
    scale = max(float(error.max()) for error in errors) / max(max(float(each.max()) for each in second), 1e-30)
    low, high = 1e-6 * scale, 1e6 * scale
    choice = at(high)
    if second_cost(choice) > also.budget:
        raise InputError(
            f"{limit.budget:g} for {limit.name} and {also.budget:g} for {also.name} cannot be met together: within "
            f"the first, the second takes at least {second_cost(choice):g}; allow that much"
        )
    for _ in range(HALVINGS):
        middle = math.sqrt(low * high)
        tried = at(middle)
        if second_cost(tried) <= also.budget:
            high, choice = middle, tried
        else:
            low = middle
    return choice


def _choice(
    levels: Sequence[LayerLevels],
    parts: Sequence[tuple[tuple[Level, ...], float]],
    picked: Sequence[int],
    limits: Sequence[CostLimit],
) -> Choice:
    kept = [part[level] for (part, _), level in zip(parts, picked, strict=True)]
    cuts = []
    for index in range(len(levels)):
        heads, neurons = kept[2 * index].kept, kept[2 * index + 1].kept
        if heads or neurons:
            cuts.append(LayerCut(layer=index, heads=heads, neurons=neurons))
    costs = tuple(
        limit.costs.fixed
        + sum(
            (limit.costs.feed_forward if number % 2 else limit.costs.attention)(len(level.kept))
            for number, level in enumerate(kept)
        )
        for limit in limits
    )
    return Choice(cuts=tuple(cuts), costs=costs, error=sum(level.error for level in kept))
