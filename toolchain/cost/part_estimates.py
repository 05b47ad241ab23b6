"""What the parts of a transformer's layers cost, without timing one of them.

In:  a profile's facts, or prices that were calibrated; and the largest layer that is asked about.
Out: a `CostTable`.
The estimate from facts alone is a plain roofline that ranks sizes; where the device was calibrated, what was measured
there takes its place.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from edgewright.cost.part_costs import CostAtSize, CostTable, PricedLayer
from edgewright.cost.pricing import Prices
from edgewright.specs.profiles import Profile
from edgewright.specs.structure import Kind, Operator, Structure

OPERATOR_MS = 0.004  # dispatching one operator, and requantising or reshaping what it made
ATTENTION_OPERATORS = 9  # three products, an output, a softmax, and the reshapes between them; the sum and the norm
FEED_FORWARD_OPERATORS = 5  # two products, an activation; the sum and the norm
EFFICIENCY = 0.5  # of the peak, which int8 kernels reach on matrices of such sizes
POINTS = 9


def from_profile(profile: Profile, largest: PricedLayer) -> CostTable:
    """An estimate for int8 on one core, for layers up to the largest.

    Each part takes the longer of its arithmetic at half the peak and of reading its weights once, and a constant for
    each of its operators. The peak counts a multiply-accumulate as two operations.
    """
    length, width, head_width = largest.length, largest.width, largest.head_width
    operations_per_ms = profile.processor.int8_peak_gops.value * 1e6 * EFFICIENCY
    bytes_per_ms = profile.memory.copy_bandwidth_gb_s.value * 1e6

    def milliseconds(weights: float, extra_macs: float, operators: int) -> float:
        macs = weights * length + extra_macs
        return max(2 * macs / operations_per_ms, weights / bytes_per_ms) + operators * OPERATOR_MS

    def attention(count: int) -> float:
        inner = count * head_width
        matrices = 2.0 + 2.0 / largest.queries  # queries and output, and keys and values of fewer heads
        return milliseconds(matrices * width * inner, 2.0 * length * length * inner, ATTENTION_OPERATORS)

    def feed_forward(count: int) -> float:
        return milliseconds((3.0 if largest.gated else 2.0) * width * count, 0.0, FEED_FORWARD_OPERATORS)

    return _table(f"estimate from the profile {profile.name}", largest, attention, feed_forward)


def from_prices(prices: Prices, largest: PricedLayer) -> CostTable:
    """By calibrated prices, for int8 on one core, for layers up to the largest."""
    length, width = largest.length, largest.width

    def milliseconds(operators: Sequence[Operator]) -> float:
        return _total_ms(prices, operators, length) - _total_ms(prices, (), length)

    def attention(count: int) -> float:
        return milliseconds(_attention(length, width, largest.head_width, count, largest.queries))

    def feed_forward(count: int) -> float:
        return milliseconds(_feed_forward(length, width, count, gated=largest.gated))

    return _table(prices.source, largest, attention, feed_forward)


def _table(
    source: str, largest: PricedLayer, attention: Callable[[int], float], feed_forward: Callable[[int], float]
) -> CostTable:
    """Of every number of heads, and of some of neurons; what is no layer's takes nothing."""
    heads, neurons = range(1, max(largest.heads, 2) + 1), _spaced(largest.neurons)
    return CostTable(
        source=source,
        length=largest.length,
        width=largest.width,
        head_width=largest.head_width,
        fixed_ms=0.0,
        attention_ms=tuple(CostAtSize(size=size, ms=attention(size)) for size in heads),
        feed_forward_ms=tuple(CostAtSize(size=size, ms=feed_forward(size)) for size in neurons),
    )


def _total_ms(prices: Prices, operators: Sequence[Operator], length: int) -> float:
    structure = Structure(
        operators=tuple(operators), live=(), table_weights=0, table_rows=0, matrix_weights=0, other_weights=0
    )
    return sum(prices.cost(structure, length).by_limit.values())


def _attention(length: int, width: int, head_width: int, heads: int, queries: int) -> list[Operator]:
    """What one layer's attention runs: see `models.transformer_layer`."""
    inner, groups = heads * head_width, -(-heads // queries)
    every = inner + 2 * groups * head_width
    return [
        _operator("linear", length, width, every),
        _operator("permute", every // head_width * length, head_width),
        _operator("slice", 3, length * every),
        _operator("transpose", groups, head_width, length),
        _operator("permute", heads * length, head_width),
        _operator("elementwise", length * inner),
        _operator("matmul", groups, length * queries, head_width, length),
        _operator("softmax", heads * length, length),
        _operator("matmul", groups, length * queries, length, head_width),
        _operator("linear", length, inner, width),
        *_residual(length, width),
    ]


def _feed_forward(length: int, width: int, neurons: int, *, gated: bool) -> list[Operator]:
    gates = [_operator("slice", 2, 2 * length * neurons), _operator("elementwise", length * neurons)] if gated else []
    return [
        _operator("linear", length, width, neurons * (2 if gated else 1)),
        *gates,
        _operator("activation", length * neurons),
        _operator("linear", length, neurons, width),
        *_residual(length, width),
    ]


def _residual(length: int, width: int) -> list[Operator]:
    return [_operator("elementwise", length * width), _operator("normalisation", length, width)]


def _operator(kind: Kind, *sizes: int, count: int = 1) -> Operator:
    return Operator(kind=kind, sizes=tuple(((size, 0),) for size in sizes), count=count)


def _spaced(neurons: int) -> list[int]:
    """Sizes from 1 to all, evenly apart."""
    most = max(neurons, 2)
    return sorted({max(1, round(most * place / (POINTS - 1))) for place in range(POINTS)})
