"""What the parts of a transformer cost on a device, in milliseconds.

In:  a profile's facts, prices that were calibrated, or a callback that times models of one layer on the real runtime.
Out: `CostTable`: attention by heads, feed-forward by neurons, and all the rest; JSON on disk.
Which sizes are then chosen is `compress.search`'s decision. The estimate from facts alone is a plain roofline that
ranks sizes; where the device was calibrated, what was measured there takes its place.
"""

from __future__ import annotations

import statistics
from bisect import bisect_right
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, model_validator

from edgewright.base.reading import read_json
from edgewright.cost.pricing import Prices
from edgewright.errors import InputError
from edgewright.specs.profiles import Profile
from edgewright.specs.structure import Kind, Operator, Structure

OPERATOR_MS = 0.004  # dispatching one operator, and requantising or reshaping what it made
ATTENTION_OPERATORS = 9  # three products, an output, a softmax, and the reshapes between them; the sum and the norm
FEED_FORWARD_OPERATORS = 5  # two products, an activation; the sum and the norm
EFFICIENCY = 0.5  # of the peak, which int8 kernels reach on matrices of such sizes
POINTS = 9
ROUNDS = 5

Count = Annotated[int, Field(ge=0)]
Milliseconds = Annotated[float, Field(ge=0, allow_inf_nan=False)]


class CostAtSize(BaseModel):
    """One size and what it takes."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    size: Count
    ms: Milliseconds


class CostTable(BaseModel):
    """Straight lines between points of rising size; 0 heads or neurons take 0 ms.

    It holds for one text of `length` tokens, and layers of this width and head width.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    source: str
    length: Annotated[int, Field(gt=0)]
    width: Annotated[int, Field(gt=0)]
    head_width: Annotated[int, Field(gt=0)]
    fixed_ms: Milliseconds
    attention_ms: Annotated[tuple[CostAtSize, ...], Field(min_length=2)]
    feed_forward_ms: Annotated[tuple[CostAtSize, ...], Field(min_length=2)]

    @model_validator(mode="after")
    def _rising(self) -> CostTable:
        for name, points in (("attention_ms", self.attention_ms), ("feed_forward_ms", self.feed_forward_ms)):
            for before, after in pairwise(points):
                if after.size <= before.size or after.ms < before.ms:
                    raise ValueError(f"{name}: size {after.size} after {before.size} must be larger and no cheaper")
        return self

    @property
    def fixed(self) -> float:
        """All that no layer takes, in ms."""
        return self.fixed_ms

    def attention(self, heads: int) -> float:
        """One layer's attention, in ms."""
        return _between(self.attention_ms, heads)

    def feed_forward(self, neurons: int) -> float:
        """One layer's feed-forward block, in ms."""
        return _between(self.feed_forward_ms, neurons)

    def save(self, file: Path) -> None:
        """Write JSON."""
        file.write_text(self.model_dump_json(indent=2) + "\n", encoding="utf-8")


def load(file: Path) -> CostTable:
    """Read what `save` wrote. Raises `InvalidFileError` with every fault, `InputError` when it cannot be read."""
    try:
        return read_json(CostTable, file.read_bytes(), name=str(file), whole="table")
    except OSError as error:
        raise InputError(f"the cost table {file} cannot be read: {error}; measure it again") from error


@dataclass(frozen=True, kw_only=True)
class OneLayer:
    """A model of one layer that is to be timed on one text of `length` tokens."""

    length: int
    width: int
    head_width: int
    heads: int
    neurons: int


def from_profile(
    profile: Profile,
    *,
    length: int,
    width: int,
    head_width: int,
    heads: int,
    neurons: int,
    fixed_ms: float = 0.0,
    gated: bool = False,
) -> CostTable:
    """An estimate for int8 on one core, up to so many heads and neurons; of `gated` ones each has three matrices' rows.

    Each part takes the longer of its arithmetic at half the peak and of reading its weights once, and a constant for
    each of its operators. The peak counts a multiply-accumulate as two operations.
    """
    operations_per_ms = profile.processor.int8_peak_gops.value * 1e6 * EFFICIENCY
    bytes_per_ms = profile.memory.copy_bandwidth_gb_s.value * 1e6

    def milliseconds(weights: float, extra_macs: float, operators: int) -> float:
        macs = weights * length + extra_macs
        return max(2 * macs / operations_per_ms, weights / bytes_per_ms) + operators * OPERATOR_MS

    def attention(count: int) -> float:
        inner = count * head_width
        return milliseconds(4.0 * width * inner, 2.0 * length * length * inner, ATTENTION_OPERATORS)

    def feed_forward(count: int) -> float:
        return milliseconds((3.0 if gated else 2.0) * width * count, 0.0, FEED_FORWARD_OPERATORS)

    return CostTable(
        source=f"estimate from the profile {profile.name}",
        length=length,
        width=width,
        head_width=head_width,
        fixed_ms=fixed_ms,
        attention_ms=tuple(CostAtSize(size=size, ms=attention(size)) for size in range(1, max(heads, 2) + 1)),
        feed_forward_ms=tuple(CostAtSize(size=size, ms=feed_forward(size)) for size in _spaced(neurons)),
    )


def from_prices(
    prices: Prices,
    *,
    length: int,
    width: int,
    head_width: int,
    heads: int,
    neurons: int,
    fixed_ms: float = 0.0,
    gated: bool = False,
) -> CostTable:
    """By calibrated prices, for int8 on one core, up to so many heads and neurons."""

    def milliseconds(operators: Sequence[Operator]) -> float:
        return _whole(prices, operators, length) - _whole(prices, (), length)

    return CostTable(
        source=prices.source,
        length=length,
        width=width,
        head_width=head_width,
        fixed_ms=fixed_ms,
        attention_ms=tuple(
            CostAtSize(size=size, ms=milliseconds(_attention(length, width, head_width, size)))
            for size in range(1, max(heads, 2) + 1)
        ),
        feed_forward_ms=tuple(
            CostAtSize(size=size, ms=milliseconds(_feed_forward(length, width, size, gated=gated)))
            for size in _spaced(neurons)
        ),
    )


def _whole(prices: Prices, operators: Sequence[Operator], length: int) -> float:
    structure = Structure(
        operators=tuple(operators), live=(), table_weights=0, table_rows=0, matrix_weights=0, other_weights=0
    )
    return sum(prices.cost(structure, length).by_limit.values())


def _attention(length: int, width: int, head_width: int, heads: int) -> list[Operator]:
    """What one layer's attention runs: see `models.transformer_layer`."""
    inner = heads * head_width
    return [
        _operator("linear", length, width, 3 * inner),
        _operator("permute", 3 * heads * length, head_width),
        _operator("slice", 3, 3 * length * inner),
        _operator("transpose", heads, head_width, length),
        _operator("permute", heads * length, head_width),
        _operator("elementwise", length * inner),
        _operator("matmul", heads, length, head_width, length),
        _operator("softmax", heads * length, length),
        _operator("matmul", heads, length, length, head_width),
        _operator("linear", length, inner, width),
        *_residual(length, width),
    ]


def _feed_forward(length: int, width: int, neurons: int, *, gated: bool = False) -> list[Operator]:
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


def measured(
    time_ms: Callable[[OneLayer | None], float],
    *,
    source: str,
    length: int,
    width: int,
    head_width: int,
    heads: Sequence[int],
    neurons: Sequence[int],
    rounds: int = ROUNDS,
) -> CostTable:
    """Time models of one layer with these numbers of heads and no neurons, and the other way round.

    `time_ms` times one such model once more, or for None the model without a layer. All are timed in turn, round
    after round, so that a machine whose speed drifts favours none; medians count. What an empty layer takes beyond
    no layer is its norms and sums, and is shared between its two parts. Where noise makes a larger size cheaper than
    a smaller one, both get their mean. Raises `InputError` with fewer than two sizes of a part, or one below 1.
    """
    for what, sizes in (("heads", heads), ("neurons", neurons)):
        if len(set(sizes)) < 2 or min(sizes) < 1:
            raise InputError(f"a cost table needs at least two different numbers of {what} above 0, not {list(sizes)}")

    def layer(own_heads: int, own_neurons: int) -> OneLayer:
        return OneLayer(length=length, width=width, head_width=head_width, heads=own_heads, neurons=own_neurons)

    by_heads = {count: layer(count, 0) for count in sorted(set(heads))}
    by_neurons = {count: layer(0, count) for count in sorted(set(neurons))}
    timed: list[OneLayer | None] = [None, layer(0, 0), *by_heads.values(), *by_neurons.values()]
    seen: dict[OneLayer | None, list[float]] = {each: [] for each in timed}
    for _ in range(rounds):
        for each in timed:
            seen[each].append(time_ms(each))
    median = {each: statistics.median(values) for each, values in seen.items()}
    empty = median[layer(0, 0)]
    share = max(empty - median[None], 0.0) / 2

    def points(models: dict[int, OneLayer]) -> tuple[CostAtSize, ...]:
        taken = _never_falling([max(median[each] - empty + share, 0.0) for each in models.values()])
        return tuple(CostAtSize(size=size, ms=ms) for size, ms in zip(models, taken, strict=True))

    return CostTable(
        source=source,
        length=length,
        width=width,
        head_width=head_width,
        fixed_ms=median[None],
        attention_ms=points(by_heads),
        feed_forward_ms=points(by_neurons),
    )


def _between(points: Sequence[CostAtSize], size: int) -> float:
    """On the line between the neighbours; beyond the ends the nearest line goes on, but not below 0."""
    if size == 0:
        return 0.0
    sizes = [point.size for point in points]
    place = min(max(bisect_right(sizes, size), 1), len(points) - 1)
    left, right = points[place - 1], points[place]
    slope = (right.ms - left.ms) / (right.size - left.size)
    return max(left.ms + slope * (size - left.size), 0.0)


def _spaced(neurons: int) -> list[int]:
    """Sizes from 1 to all, evenly apart."""
    most = max(neurons, 2)
    return sorted({max(1, round(most * place / (POINTS - 1))) for place in range(POINTS)})


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
