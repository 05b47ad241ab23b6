"""The verdict on a budget."""

import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from edgewright.specs.budget import BetterBaseline, Budget, Verdict, as_good, is_at_least, judge


def test_a_budget_without_limits_is_always_met() -> None:
    verdict = judge(Budget(), latency_ms=1e9, artifact_bytes=10**12, peak_rss_bytes=10**12, score_loss_percent=99)
    assert verdict.summary() == {"met": True, "missed": [], "undecided": [], "baseline_at_least_as_good": None}


def test_a_miss_says_by_how_much_and_which_stage_decides_it() -> None:
    verdict = judge(Budget(latency_ms=10, artifact_mb=6), latency_ms=12.5, artifact_bytes=5_000_000)
    assert not verdict.met
    (miss,) = verdict.missed
    assert (miss.name, miss.limit, miss.actual, miss.unit, miss.stage) == ("latency_ms", 10, 12.5, "ms", "prune")
    assert miss.by_percent == pytest.approx(25)
    assert "12.5 ms, 25 % over the limit of 10 ms" in miss.sentence
    assert "stages.prune.layers" in miss.sentence


def test_what_was_not_measured_is_undecided_rather_than_kept_or_missed() -> None:
    verdict = judge(Budget(latency_ms=10, peak_memory_mb=32, max_score_loss_percent=7), score_loss_percent=6.9)
    assert verdict.met
    assert verdict.undecided == ("latency_ms", "peak_memory_mb")


def test_all_misses_are_reported_at_once() -> None:
    budget = Budget(
        latency_ms=1,
        first_token_ms=1,
        tokens_per_second=10,
        context=256,
        artifact_mb=1,
        peak_memory_mb=1,
        max_score_loss_percent=1,
    )
    verdict = judge(
        budget,
        latency_ms=2,
        first_token_ms=2,
        tokens_per_second=9,
        context=128,
        artifact_bytes=2_000_000,
        peak_rss_bytes=2_000_000,
        score_loss_percent=2,
    )
    assert [miss.name for miss in verdict.missed] == list(Budget.model_fields)


def test_a_limit_that_is_to_be_reached_is_missed_from_below() -> None:
    budget = Budget(tokens_per_second=10, context=256)
    assert judge(budget, tokens_per_second=10, context=256).met
    assert judge(budget, tokens_per_second=50, context=1024).met
    speed, context = judge(budget, tokens_per_second=8, context=64).missed
    assert "8 tokens/s, 20 % under the limit of 10 tokens/s" in speed.sentence
    assert "stages.prune.layers" in speed.sentence
    assert (speed.by_percent, context.by_percent) == (pytest.approx(20), pytest.approx(75))
    assert "raise stages.export.context" in context.sentence
    assert not judge(budget, tokens_per_second=math.nan, context=256).met
    assert judge(budget).undecided == ("tokens_per_second", "context")


def test_the_first_token_is_to_come_in_time_and_a_miss_says_what_would_change_it() -> None:
    assert judge(Budget(first_token_ms=100), first_token_ms=100).met
    (miss,) = judge(Budget(first_token_ms=100), first_token_ms=150).missed
    assert "150 ms, 50 % over the limit of 100 ms" in miss.sentence
    assert "stages.export.prefill_lengths" in miss.sentence


@pytest.mark.parametrize("name", Budget.model_fields)
def test_only_speed_of_writing_and_context_are_limits_to_be_reached(name: str) -> None:
    assert is_at_least(name) is (name in ("tokens_per_second", "context"))


def test_a_measurement_that_is_no_number_keeps_no_limit_and_leaves_valid_json() -> None:
    verdict = judge(Budget(max_score_loss_percent=7), score_loss_percent=math.nan)
    assert not verdict.met
    assert json.loads(json.dumps(verdict.summary(), allow_nan=False))["missed"][0]["actual"] is None


def test_a_gain_of_score_meets_the_largest_loss() -> None:
    assert judge(Budget(max_score_loss_percent=1), score_loss_percent=-3.0).met


@given(limit=st.floats(1e-3, 1e6), actual=st.floats(0, 1e6))
def test_a_limit_is_kept_exactly_up_to_itself(limit: float, actual: float) -> None:
    assert judge(Budget(latency_ms=limit), latency_ms=actual).met == (actual <= limit)


@pytest.mark.parametrize("value", [0, -1, math.inf, math.nan])
def test_a_limit_must_be_a_positive_number(value: float) -> None:
    with pytest.raises(ValidationError):
        Budget(latency_ms=value)


@pytest.mark.parametrize(
    ("baseline", "student", "as_good_as_it"), [(0.87, 0.84, True), (0.84, 0.84, True), (0.83, 0.84, False)]
)
def test_a_baseline_counts_where_it_is_at_least_as_good(baseline: float, student: float, as_good_as_it: bool) -> None:
    found = as_good("TF-IDF", baseline, student, metric="accuracy")
    assert (found is not None) is as_good_as_it
    assert found is None or (found.name, found.score, found.student_score) == ("TF-IDF", baseline, student)


def test_a_baseline_that_is_as_good_misses_no_budget_and_is_said_in_the_document() -> None:
    verdict = Verdict(met=True, baseline=BetterBaseline(name="TF-IDF", score=0.87, student_score=0.84))
    told = json.loads(json.dumps(verdict.summary()))
    assert told["met"] is True
    assert told["baseline_at_least_as_good"] == {
        "name": "TF-IDF",
        "score": 0.87,
        "student_score": 0.84,
        "sentence": "TF-IDF (0.870) is at least as good as the student (0.840): you need no network for this task",
    }


def test_a_baseline_in_bits_is_as_good_where_it_needs_no_more() -> None:
    assert as_good("5-gram", 1.775, 1.548, metric="bits per byte") is None
    assert as_good("5-gram", 1.5, 1.548, metric="bits per byte") is not None
