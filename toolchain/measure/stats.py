"""Statistics of latency samples: pure functions over numbers.

In:  samples in any unit.
Out: percentiles, spreads and intervals in the same unit.
What a spread means for a measurement is `measurement`'s decision.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain

import numpy as np
from numpy.typing import NDArray

RESAMPLES = 4000
CONFIDENCE = 0.95


@dataclass(frozen=True, kw_only=True)
class Summary:
    """What is told of a list of samples, in their unit; `low` and `high` bound the median at 95 %."""

    count: int
    p50: float
    p90: float
    p99: float
    mean: float
    mad: float
    low: float
    high: float


def summarize(samples: Sequence[float]) -> Summary | None:
    """The summary, or None of no samples."""
    if not samples:
        return None
    low, high = median_interval(samples)
    p50, p90, p99 = (percentile(samples, share) for share in (50, 90, 99))
    mean, mad = float(np.mean(samples)), median_absolute_deviation(samples)
    return Summary(count=len(samples), p50=p50, p90=p90, p99=p99, mean=mean, mad=mad, low=low, high=high)


def percentile(samples: Sequence[float], percent: float) -> float:
    """Linear between the two nearest samples; nan of no samples."""
    return float(np.percentile(samples, percent)) if samples else float("nan")


def median_absolute_deviation(samples: Sequence[float]) -> float:
    """The median distance from the median, not scaled to a standard deviation; nan of no samples."""
    if not samples:
        return float("nan")
    values = np.asarray(samples, dtype=np.float64)
    return float(np.median(np.abs(values - np.median(values))))


def median_interval(samples: Sequence[float], *, confidence: float = CONFIDENCE, seed: int = 0) -> tuple[float, float]:
    """The percentile bootstrap interval of the median (Efron, 1979); (nan, nan) of no samples."""
    if not samples:
        return float("nan"), float("nan")
    return _middle(_medians(samples, np.random.default_rng(seed)), confidence)


@dataclass(frozen=True, kw_only=True)
class Ratio:
    """One quantity as so many times another; `low` and `high` bound it at 95 %."""

    value: float
    low: float
    high: float


def ratio(above: Sequence[Sequence[float]], below: Sequence[Sequence[float]], *, seed: int = 0) -> Ratio | None:
    """The ratio of what two things take for the same inputs, whose samples come in groups, one for each input.

    What a thing takes is the mean over inputs of each one's median, and a resample takes samples of each input from
    its own: how far inputs lie apart makes no interval wider. None where a group has no samples.
    """
    if not above or not below or not all(map(len, (*above, *below))):
        return None
    draw = np.random.default_rng(seed)
    value = np.mean([np.median(group) for group in above]) / np.mean([np.median(group) for group in below])
    resampled = [np.mean([_medians(group, draw) for group in groups], axis=0) for groups in (above, below)]
    low, high = _middle(resampled[0] / resampled[1], CONFIDENCE)
    return Ratio(value=float(value), low=low, high=high)


def _medians(samples: Sequence[float], draw: np.random.Generator) -> NDArray[np.float64]:
    """The medians of resamples, (RESAMPLES,).

    The k-th smallest of n uniform numbers is Beta(k, n - k + 1), so a resample's median is drawn directly, without
    drawing the resample: as exact, and as fast for a million samples as for ten.
    """
    count = len(samples)
    ordered = np.sort(np.asarray(samples, dtype=np.float64))
    rank = (count + 1) // 2
    below = draw.beta(rank, count - rank + 1, RESAMPLES)
    above = below
    if count % 2 == 0:  # the median is halfway to the next one up, the smallest of the numbers left above
        above = 1 - (1 - below) * draw.random(RESAMPLES) ** (1 / (count - rank))
    last = count - 1
    picks = [ordered[np.minimum((uniform * count).astype(np.int64), last)] for uniform in (below, above)]
    return np.asarray((picks[0] + picks[1]) / 2)


def _middle(values: NDArray[np.float64], confidence: float) -> tuple[float, float]:
    tail = (1 - confidence) / 2
    low, high = np.quantile(values, [tail, 1 - tail])
    return float(low), float(high)


def coefficient_of_variation(samples: Sequence[float]) -> float:
    """The standard deviation as a share of the mean; 0 of one sample, nan of none or of a mean that is not positive."""
    if not samples or (mean := float(np.mean(samples))) <= 0:
        return float("nan")
    return float(np.std(samples, ddof=1)) / mean if len(samples) > 1 else 0.0


def variation_within(groups: Sequence[Sequence[float]], *, interrupted: float = 0.0) -> tuple[float, int]:
    """(the coefficient of variation within groups, its degrees of freedom).

    Each sample is taken as a share of its own group's median, so that groups may differ as they like: inputs of unlike
    lengths, say. The share `interrupted` of all samples, those that are slowest for their group, is left out where
    that is at least half a sample: a single one that another program cut into would outweigh a hundred others.
    (nan, 0) when no group has two samples.
    """
    parts = [np.asarray(group, dtype=np.float64) for group in groups if len(group) > 1]
    shares = [part / middle for part in parts if (middle := float(np.median(part))) > 0]
    if not shares:
        return float("nan"), 0
    pooled = np.sort(np.concatenate(shares))
    left_out = round(interrupted * len(pooled))
    freedom = max(1, len(pooled) - left_out - len(shares))
    squares = float(((pooled[: len(pooled) - left_out] - 1) ** 2).sum())
    return float(np.sqrt(squares / freedom)), freedom


def by_input(runs: Sequence[Sequence[float]], inputs: int) -> list[list[float]]:
    """Samples that cycle through inputs in order, in one or more runs, gathered by input."""
    return [list(chain.from_iterable(run[place::inputs] for run in runs)) for place in range(inputs)]
