"""Statistics of latency samples: pure functions over numbers.

In:  samples in any unit.
Out: percentiles, spreads and intervals in the same unit.
What a spread means for a measurement is `measurement`'s decision.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

RESAMPLES = 4000
CONFIDENCE = 0.95


@dataclass(frozen=True, kw_only=True)
class Summary:
    """What a list of samples says, in their unit; `low` and `high` bound the median at 95 %."""

    count: int
    p50: float
    p90: float
    p99: float
    mean: float
    mad: float
    low: float
    high: float


def summarize(runs: Sequence[Sequence[float]], *, apart: float = 0.0) -> Summary | None:
    """The summary of the samples of all runs, each of a process of its own; None of no samples.

    `apart` is by what share measurements of the same thing differ that one alone does not show; the interval of the
    median is as much wider.
    """
    samples = list(chain.from_iterable(runs))
    if not samples:
        return None
    low, high = median_interval(runs)
    low, high = low * (1 - apart), high * (1 + apart)
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


def median_interval(
    runs: Sequence[Sequence[float]], *, confidence: float = CONFIDENCE, seed: int = 0
) -> tuple[float, float]:
    """The bootstrap interval of the median of samples that come in runs; (nan, nan) of no samples.

    Processes differ from each other by more than their own samples do (Kalibera & Jones, "Rigorous benchmarking in
    reasonable time", 2013), so runs are drawn first and then samples of each. What a few runs tell too little of is
    made up for by the expanded percentiles of Hesterberg ("What teachers should know about the bootstrap", 2015).
    Of one run it is the interval of its own samples alone.
    """
    taken = [run for run in runs if run]
    if not taken:
        return float("nan"), float("nan")
    draw = np.random.default_rng(seed)
    medians = np.asarray([_medians(run, draw) for run in taken])
    drawn = np.median(_of_drawn_runs(medians, _drawn_runs(len(taken), draw)), axis=0)
    low, high = _middle(drawn, _expanded(confidence, len(taken)))
    middle = percentile(list(chain.from_iterable(taken)), 50)
    return min(low, middle), max(high, middle)


@dataclass(frozen=True, kw_only=True)
class Ratio:
    """One quantity as so many times another; `low` and `high` bound it at 95 %."""

    value: float
    low: float
    high: float


Grouped = Sequence[Sequence[Sequence[float]]]
"""Samples by run and, in it, by input, as `by_run_and_input` gives them."""


def ratio(above: Grouped, below: Grouped, *, in_turn: bool = False, apart: float = 0.0, seed: int = 0) -> Ratio | None:
    """The ratio of what two things take for the same inputs.

    What a thing takes is the mean over runs, and in each over inputs, of the median of the samples, and a resample
    takes samples of each input from its own: how far inputs lie apart makes no interval wider. Runs are drawn as for
    `median_interval`; pairs of them where the two were measured `in_turn`, so that what slowed both cancels. `apart` is
    as for `summarize`. None where a group has no samples.
    """
    if not above or not below or not all(len(group) for run in (*above, *below) for group in run):
        return None
    draw = np.random.default_rng(seed)
    values = [np.asarray([_mean_median(run) for run in runs]) for runs in (above, below)]
    medians = [np.asarray([_mean_of_medians(run, draw) for run in runs]) for runs in (above, below)]
    together = in_turn and len(above) == len(below)
    first = _drawn_runs(len(above), draw)
    second = first if together else _drawn_runs(len(below), draw)
    resampled = [np.mean(_of_drawn_runs(*each), axis=0) for each in zip(medians, (first, second), strict=True)]
    low, high = _middle(resampled[0] / resampled[1], _expanded(CONFIDENCE, min(len(above), len(below))))
    value = float(np.mean(values[0]) / np.mean(values[1]))
    return Ratio(value=value, low=low * (1 - apart), high=high * (1 + apart))


def half_width(grouped: Grouped, *, seed: int = 0) -> float | None:
    """How well is known what a thing takes, as `ratio` understands it: half of the 95 % interval, as a share of it.

    None where a group has no samples.
    """
    if not grouped or not all(len(group) for run in grouped for group in run):
        return None
    draw = np.random.default_rng(seed)
    medians = np.asarray([_mean_of_medians(run, draw) for run in grouped])
    drawn = np.mean(_of_drawn_runs(medians, _drawn_runs(len(grouped), draw)), axis=0)
    low, high = _middle(drawn, _expanded(CONFIDENCE, len(grouped)))
    return (high - low) / (high + low) if high + low > 0 else None


def _mean_median(run: Sequence[Sequence[float]]) -> float:
    return float(np.mean([np.median(group) for group in run]))


def _mean_of_medians(run: Sequence[Sequence[float]], draw: np.random.Generator) -> NDArray[np.float64]:
    return np.asarray(np.mean([_medians(group, draw) for group in run], axis=0))


def _drawn_runs(count: int, draw: np.random.Generator) -> NDArray[np.int64]:
    """Which runs each resample has, (count, RESAMPLES)."""
    return draw.integers(0, count, size=(count, RESAMPLES))


def _of_drawn_runs(medians: NDArray[np.float64], runs: NDArray[np.int64]) -> NDArray[np.float64]:
    """(runs, RESAMPLES) → the same, of the runs that were drawn."""
    return np.take_along_axis(medians, runs, axis=0)


def _expanded(confidence: float, runs: int) -> float:
    """The confidence to take percentiles at, so that an interval of few runs covers what it says."""
    if runs == 1:
        return confidence
    reach = _student_t((1 + confidence) / 2, runs - 1) * math.sqrt(runs / (runs - 1))
    return 1 - 2 * NormalDist().cdf(-reach)


def _student_t(level: float, freedom: int) -> float:
    """The quantile of Student's t by its expansion (Abramowitz & Stegun, 26.7.5); too small for one degree alone."""
    z = NormalDist().inv_cdf(level)
    terms = (
        z,
        (z**3 + z) / 4,
        (5 * z**5 + 16 * z**3 + 3 * z) / 96,
        (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / 384,
    )
    return math.fsum(term / freedom**power for power, term in enumerate(terms))


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
    pooled, count = _shares_of_medians(groups)
    if not count:
        return float("nan"), 0
    return _spread(pooled, round(interrupted * len(pooled)), count)


def variations(groups: Sequence[Sequence[float]], *, interrupted: float, least_freedom: int) -> list[float]:
    """The coefficient of variation of each group by itself; nan where too few degrees of freedom are left.

    As `variation_within`, but of each group its own slowest share is left out, and its slowest sample at least.
    """
    ratios = []
    for group in groups:
        shares, count = _shares_of_medians([group])
        left_out = max(1, round(interrupted * len(shares)))
        is_enough = count and len(shares) - left_out - 1 >= least_freedom
        ratios.append(_spread(shares, left_out, 1)[0] if is_enough else float("nan"))
    return ratios


def _shares_of_medians(groups: Sequence[Sequence[float]]) -> tuple[NDArray[np.float64], int]:
    """(each sample as a share of its group's median, in order; of how many groups that have two samples at least)."""
    parts = [np.asarray(group, dtype=np.float64) for group in groups if len(group) > 1]
    shares = [part / middle for part in parts if (middle := float(np.median(part))) > 0]
    return np.sort(np.concatenate(shares)) if shares else np.empty(0), len(shares)


def _spread(ordered: NDArray[np.float64], left_out: int, groups: int) -> tuple[float, int]:
    """(the coefficient of variation around medians, its degrees of freedom), without the slowest `left_out`."""
    kept = ordered[: len(ordered) - left_out]
    freedom = max(1, len(kept) - groups)
    return float(np.sqrt(((kept - 1) ** 2).sum() / freedom)), freedom


def by_run_and_input(runs: Sequence[Sequence[float]], inputs: int) -> list[list[list[float]]]:
    """Samples that cycle through inputs in order, by run and in it by input."""
    return [[list(run[place::inputs]) for place in range(inputs)] for run in runs if run]


def by_input(runs: Sequence[Sequence[float]], inputs: int) -> list[list[float]]:
    """Samples that cycle through inputs in order, in one or more runs, gathered by input."""
    return [list(chain.from_iterable(run[place::inputs] for run in runs)) for place in range(inputs)]
