"""Which of two scores is the better one: the one place that knows of which metrics less is better.

In:  a metric's name, as a `Score` gives it and manifests, measurements and the history keep it, and scores.
Out: comparisons, and how much of a score was lost or kept.
A metric of a plug-in's whose scores are better when lower says so in its name: "error (lower is better)".
"""

from __future__ import annotations

import math

LOWER_IS_BETTER = frozenset({"bits per byte"})
SAYS_SO = "lower is better"


def lower_is_better(metric: str) -> bool:
    """Whether less of it is better; more is, of all metrics that are not known or do not say so."""
    return metric in LOWER_IS_BETTER or SAYS_SO in metric


def goodness(metric: str, score: float) -> float:
    """A number that is higher where the score is better: the score itself, or its negative."""
    return -score if lower_is_better(metric) else score


def gain(metric: str, before: float, after: float) -> float:
    """By how much a score got better, in its own unit; below 0 where it got worse."""
    return goodness(metric, after) - goodness(metric, before)


def as_good_as(metric: str, score: float, other: float) -> bool:
    """Whether a score is at least as good as another; one that is no number is not."""
    return goodness(metric, score) >= goodness(metric, other)


def loss_percent(metric: str, teacher: float, score: float) -> float:
    """What is lost against a teacher, in percent of the teacher's score; 0 where that is of one that knows nothing."""
    return -100 * gain(metric, teacher, score) / teacher if teacher else 0.0


def kept_share(metric: str, teacher: float, score: float) -> float | None:
    """Which share of the teacher's score is left; where less is better, the teacher's as a share of this one."""
    part, of = (teacher, score) if lower_is_better(metric) else (score, teacher)
    return part / of if of else None


def gain_kept(baseline: float, teacher: float, score: float) -> float | None:
    """Which share of what a teacher gains over a method without a network is left, whichever way is better.

    None where the teacher gains nothing that can be told.
    """
    share = (score - baseline) / (teacher - baseline) if teacher != baseline else math.nan
    return share if math.isfinite(share) else None
