"""Which range a static scale covers: all values, or fewer where a few outliers cost all others their precision.

In:  the values that examples give to one tensor, batch after batch.
Out: a `Range`, by one of four methods.
"minmax" goes from the least value to the largest. "percentile" leaves `OUTSIDE` of all values out, half on each side.
"mse" has the least mean squared error of rounding and cutting off together, and "kl" loses the least of the values'
distribution (Migacz 2017, 8-bit inference with TensorRT, here for ranges that need not be symmetric).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Literal, NamedTuple, get_args

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.stats import entropy
from torch import Tensor, nn

from edgewright.errors import UnknownNameError

Calibration = Literal["minmax", "percentile", "mse", "kl"]
DEFAULT: Calibration = "mse"
BINS = 4096
LEVELS = 256
OUTSIDE = 1e-4
SHARES = tuple(share / 100 for share in range(5, 101))  # of one side of what was seen, that are tried
ROUNDS = 2  # one side after the other
TINY = 1e-12
NO_VALUE = 1e38


Floats = NDArray[np.floating]


class Range(NamedTuple):
    """The least and the largest value that a scale is made for; 0 is always among them."""

    low: float
    high: float


@contextmanager
def listening(parts: Iterable[nn.Module], observe: Callable[[nn.Module, Tensor], None]) -> Iterator[None]:
    """Within it `observe` is called with (part, its input) each time one of these parts is run."""
    hooks = [part.register_forward_pre_hook(lambda part, inputs: observe(part, inputs[0])) for part in parts]
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()


class ObservedValues:
    """The values of one tensor so far: the least, the largest, and how often they lie where."""

    def __init__(self) -> None:
        self.low = self.high = 0.0
        self.reach = 0.0  # the histogram goes from -reach to reach
        self.counts = torch.zeros(BINS, dtype=torch.float64)

    def add(self, values: Tensor) -> None:
        """Count a batch's values, of any shape; the padding of a maximum is left out."""
        flat = values.detach().float().flatten().cpu()
        flat = flat[flat.abs() < NO_VALUE]
        if not len(flat):
            return
        self.low, self.high = min(self.low, float(flat.min())), max(self.high, float(flat.max()))
        if largest := max(-self.low, self.high):
            self.reach = self.reach or largest
            while self.reach < largest:  # the middle half of a histogram that is twice as wide
                middle = self.counts.view(-1, 2).sum(dim=1)
                self.counts = torch.nn.functional.pad(middle, (BINS // 4, BINS // 4))
                self.reach *= 2
            self.counts += torch.histc(flat, BINS, -self.reach, self.reach)

    def range(self, method: Calibration) -> Range:
        """By the method. Raises `UnknownNameError` for another."""
        if method not in get_args(Calibration):
            raise UnknownNameError("calibration", method, get_args(Calibration))
        every = Range(self.low, self.high)
        if method == "minmax" or not self.reach:
            return every
        counts = self.counts.numpy()
        middles = (np.arange(BINS) + 0.5) * (2 * self.reach / BINS) - self.reach
        if method == "percentile":
            return _without_tails(counts, middles, every)
        loss = _squared_error if method == "mse" else _divergence
        return _least(lambda tried: loss(counts, middles, tried), every)


def _without_tails(counts: Floats, middles: Floats, every: Range) -> Range:
    shares = counts.cumsum() / counts.sum()
    low, high = (middles[np.searchsorted(shares, share)] for share in (OUTSIDE / 2, 1 - OUTSIDE / 2))
    return Range(min(max(float(low), every.low), 0.0), max(min(float(high), every.high), 0.0))


def _least(loss: Callable[[Range], float], every: Range) -> Range:
    """The best of ranges with less on one side, then on the other."""
    best = every
    for _ in range(ROUNDS):
        best = min((Range(best.low, every.high * share) for share in SHARES), key=loss) if every.high else best
        best = min((Range(every.low * share, best.high) for share in SHARES), key=loss) if every.low else best
    return best


def _squared_error(counts: Floats, middles: Floats, tried: Range) -> float:
    scale = max((tried.high - tried.low) / (LEVELS - 1), TINY)
    zero = np.round(-tried.low / scale)
    rounded = (np.clip(np.round(middles / scale) + zero, 0, LEVELS - 1) - zero) * scale
    return float(counts @ (middles - rounded) ** 2)


def _divergence(counts: Floats, middles: Floats, tried: Range) -> float:
    """Of the distribution cut off at the range from what its levels keep of it."""
    first, last = np.searchsorted(middles, (tried.low, tried.high))
    inside = counts[first : max(last, first + 1)]
    if not inside.any():
        return float("inf")
    cut_off = inside.copy()
    cut_off[0] += counts[:first].sum()
    cut_off[-1] += counts[first + len(inside) :].sum()
    levels = np.arange(len(inside)) * LEVELS // len(inside)
    filled = inside > 0
    sums = np.bincount(levels, inside, LEVELS)
    shared = np.bincount(levels, filled, LEVELS)
    kept = np.where(filled, sums[levels] / np.maximum(shared[levels], 1), 0.0)
    return float(entropy(cut_off + TINY, kept + TINY))
