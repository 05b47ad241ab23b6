"""What the parts of a transformer's layers cost, timed on models of one layer.

In:  a callback that times one such model on the real runtime, and the sizes to time.
Out: a `CostTable`.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable, Sequence
from dataclasses import replace

from edgewright.cost.part_costs import CostAtSize, CostTable, PricedLayer
from edgewright.errors import InputError

ROUNDS = 5


def measured_costs(
    time_ms: Callable[[PricedLayer | None], float],
    largest: PricedLayer,
    *,
    source: str,
    heads: Sequence[int],
    neurons: Sequence[int],
    rounds: int = ROUNDS,
) -> CostTable:
    """Time models of one layer like the largest, with these numbers of heads and no neurons, and the other way round.

    `time_ms` times one such model once more, or for None the model without a layer. All are timed in turn, round
    after round, so that a machine whose speed drifts favours none; medians count. What an empty layer takes beyond
    no layer is its norms and sums, and is shared between its two parts. Where noise makes a larger size cheaper than
    a smaller one, both get their mean. Raises `InputError` with fewer than two sizes of a part, or one below 1.
    """
    for what, sizes in (("heads", heads), ("neurons", neurons)):
        if len(set(sizes)) < 2 or min(sizes) < 1:
            raise InputError(f"a cost table needs at least two different numbers of {what} above 0, not {list(sizes)}")

    def layer(own_heads: int, own_neurons: int) -> PricedLayer:
        return replace(largest, heads=own_heads, neurons=own_neurons)

    by_heads = {count: layer(count, 0) for count in sorted(set(heads))}
    by_neurons = {count: layer(0, count) for count in sorted(set(neurons))}
    timed: list[PricedLayer | None] = [None, layer(0, 0), *by_heads.values(), *by_neurons.values()]
    seen: dict[PricedLayer | None, list[float]] = {each: [] for each in timed}
    for _ in range(rounds):
        for each in timed:
            seen[each].append(time_ms(each))
    median = {each: statistics.median(values) for each, values in seen.items()}
    empty = median[layer(0, 0)]
    share = max(empty - median[None], 0.0) / 2

    def points(models: dict[int, PricedLayer]) -> tuple[CostAtSize, ...]:
        taken = _never_falling([max(median[each] - empty + share, 0.0) for each in models.values()])
        return tuple(CostAtSize(size=size, ms=ms) for size, ms in zip(models, taken, strict=True))

    return CostTable(
        source=source,
        length=largest.length,
        width=largest.width,
        head_width=largest.head_width,
        fixed_ms=median[None],
        attention_ms=points(by_heads),
        feed_forward_ms=points(by_neurons),
    )


def _never_falling(values: Sequence[float]) -> list[float]:
    """The nearest sequence that never falls, by least squares: neighbours in the wrong order share their mean."""
    pools: list[tuple[float, int]] = []
    for value in values:
        total, count = value, 1
        while pools and pools[-1][0] / pools[-1][1] > total / count:
            before, size = pools.pop()
            total, count = total + before, count + size
        pools.append((total, count))
    return [total / count for total, count in pools for _ in range(count)]
