"""Which score is the better one, whichever way is better."""

import math

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from edgewright.specs import metrics

BITS, SHARE = "bits per byte", "accuracy"
scores = st.floats(min_value=0.01, max_value=100)


@pytest.mark.parametrize(
    ("metric", "lower"),
    [(SHARE, False), ("micro F1 of tags", False), (BITS, True), ("error in mm (lower is better)", True), ("", False)],
)
def test_less_is_better_of_those_that_are_known_or_say_so(metric: str, lower: bool) -> None:
    assert metrics.lower_is_better(metric) == lower


@given(one=scores, other=scores)
def test_what_is_better_in_one_direction_is_worse_in_the_other(one: float, other: float) -> None:
    assume(one != other)
    assert metrics.as_good_as(SHARE, one, other) != metrics.as_good_as(BITS, one, other)
    assert metrics.gain(SHARE, one, other) == -metrics.gain(BITS, one, other)
    assert (metrics.loss_percent(SHARE, one, other) > 0) == (metrics.gain(SHARE, one, other) < 0)
    assert (metrics.loss_percent(BITS, one, other) > 0) == (metrics.gain(BITS, one, other) < 0)


def test_a_loss_is_in_percent_of_the_teachers_score() -> None:
    assert metrics.loss_percent(SHARE, 0.8, 0.72) == pytest.approx(10)
    assert metrics.loss_percent(BITS, 1.25, 1.55) == pytest.approx(24)
    assert metrics.loss_percent(BITS, 1.25, 1.2) == pytest.approx(-4)
    assert metrics.loss_percent(SHARE, 0.0, 0.5) == 0


@pytest.mark.parametrize("metric", [SHARE, BITS])
def test_a_score_that_is_no_number_is_as_good_as_none(metric: str) -> None:
    assert not metrics.as_good_as(metric, math.nan, 0.1)
    assert math.isnan(metrics.loss_percent(metric, 1.0, math.nan))  # which keeps no limit of a budget


def test_what_is_kept_of_a_score_is_less_than_all_where_it_got_worse() -> None:
    assert metrics.kept_share(SHARE, 0.8, 0.72) == pytest.approx(0.9)
    assert metrics.kept_share(BITS, 1.25, 1.5625) == pytest.approx(0.8)
    assert metrics.kept_share(SHARE, 0.0, 0.1) is None
    assert metrics.kept_share(BITS, 1.0, 0.0) is None


def test_the_gain_over_counting_is_kept_in_shares() -> None:
    """A teacher at 1.252, a 5-gram at 1.775 and a student at 1.548 bits per byte."""
    assert metrics.gain_kept(1.775, 1.252, 1.548) == pytest.approx(0.434, abs=5e-4)
    assert metrics.gain_kept(1.775, 1.252, 1.9) < 0  # type: ignore[operator]
    assert metrics.gain_kept(0.5, 0.9, 0.8) == pytest.approx(0.75)
    assert metrics.gain_kept(1.2, 1.2, 1.3) is None
