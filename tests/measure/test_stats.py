import math
import statistics

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgewright.measure import stats

samples = st.lists(st.floats(min_value=1e-6, max_value=1e6), min_size=1, max_size=60)


@given(samples)
def test_percentiles_are_ordered_and_lie_among_the_samples(values: list[float]) -> None:
    summary = stats.summarize([values])
    assert summary is not None
    assert min(values) <= summary.p50 <= summary.p90 <= summary.p99 <= max(values)
    assert summary.p50 == pytest.approx(statistics.median(values))


@given(samples)
def test_the_interval_of_the_median_lies_among_the_samples_and_repeats(values: list[float]) -> None:
    low, high = stats.median_interval([values])
    assert min(values) <= low <= high <= max(values)
    assert (low, high) == stats.median_interval([values])


@pytest.mark.parametrize("count", [15, 16, 200])
def test_the_interval_is_that_of_a_bootstrap_that_draws_every_resample(count: int) -> None:
    random = np.random.default_rng(7)
    values = random.lognormal(0, 0.3, count)
    medians = np.median(random.choice(values, (20_000, count)), axis=1)
    low, high = stats.median_interval([values.tolist()])
    spread = np.ptp(np.quantile(medians, [0.025, 0.975]))
    assert low == pytest.approx(np.quantile(medians, 0.025), abs=0.15 * spread)
    assert high == pytest.approx(np.quantile(medians, 0.975), abs=0.15 * spread)


def test_the_interval_covers_the_true_median_about_as_often_as_it_says() -> None:
    random = np.random.default_rng(3)
    hits = 0
    for _ in range(300):
        low, high = stats.median_interval([random.normal(10, 1, 41).tolist()])
        hits += low <= 10 <= high
    assert 0.90 <= hits / 300 <= 0.99


def test_the_interval_of_a_ratio_covers_the_true_ratio_about_as_often_as_it_says() -> None:
    random = np.random.default_rng(4)
    hits = 0
    for _ in range(300):
        found = stats.ratio([[random.normal(20, 1, 41).tolist()]], [[random.normal(10, 1, 60).tolist()]])
        assert found is not None
        hits += found.low <= 2 <= found.high
    assert 0.90 <= hits / 300 <= 0.99


def test_inputs_of_unlike_lengths_make_the_interval_of_a_ratio_no_wider() -> None:
    random = np.random.default_rng(5)
    before = [random.normal(middle, 0.01 * middle, 40).tolist() for middle in (1, 5, 20)]
    after = [[1.03 * sample for sample in group] for group in before]
    found = stats.ratio([after], [before])
    assert found is not None
    assert found.value == pytest.approx(1.03)
    assert 1.02 < found.low < 1.03 < found.high < 1.04


def test_samples_that_do_not_vary_have_one_ratio_and_none_have_none() -> None:
    assert stats.ratio([[[6.0] * 9, [2.0]]], [[[3.0] * 5, [1.0]]]) == stats.Ratio(value=2.0, low=2.0, high=2.0)
    assert stats.ratio([], [[[1.0]]]) is None
    assert stats.ratio([[[1.0], []]], [[[1.0], [1.0]]]) is None


def of_processes(random: np.random.Generator, count: int, middle: float = 10.0) -> list[list[float]]:
    """Samples of processes that differ from each other by 2 %, and in themselves by 0.5 %."""
    return [random.normal(middle * (1 + random.normal(0, 0.02)), 0.005 * middle, 200).tolist() for _ in range(count)]


@pytest.mark.parametrize("count", [3, 5, 7, 12])
def test_the_interval_covers_what_processes_differ_by_and_not_only_their_own_noise(count: int) -> None:
    random = np.random.default_rng(count)
    intervals = [stats.median_interval(of_processes(random, count)) for _ in range(200)]
    covered = sum(low <= 10 <= high for low, high in intervals) / len(intervals)
    assert covered >= {3: 0.70, 5: 0.90, 7: 0.94, 12: 0.92}[count]  # of three the extremes enclose it in 75 of 100
    low, high = stats.median_interval([[sample for run in of_processes(random, count) for sample in run]])
    assert high - low < 0.2 * np.median([high - low for low, high in intervals])


def test_the_interval_of_what_is_measured_in_turn_lets_what_both_share_cancel() -> None:
    random = np.random.default_rng(6)
    shared = [1 + random.normal(0, 0.05) for _ in range(7)]
    below = [[random.normal(10 * slow, 0.01, 50).tolist()] for slow in shared]
    above = [[random.normal(20 * slow, 0.02, 50).tolist()] for slow in shared]
    apart, in_turn = stats.ratio(above, below), stats.ratio(above, below, in_turn=True)
    assert apart is not None
    assert in_turn is not None
    assert in_turn.low <= 2 <= in_turn.high
    assert in_turn.high - in_turn.low < 0.05 * (apart.high - apart.low)


def test_how_well_a_latency_is_known_does_not_depend_on_how_far_inputs_lie_apart() -> None:
    steady = [[[1.0, 1.01, 0.99] * 9, [50.0, 50.5, 49.5] * 9] for _ in range(7)]
    width = stats.half_width(steady)
    assert width is not None
    assert width < 0.01
    assert stats.half_width([]) is None
    assert stats.half_width([[[], [1.0]]]) is None


def test_what_separate_measurements_differ_by_makes_intervals_as_much_wider() -> None:
    runs = [[10.0] * 9, [10.0] * 9]
    summary = stats.summarize(runs, apart=0.02)
    assert summary is not None
    assert (summary.low, summary.p50, summary.high) == (9.8, 10.0, 10.2)
    found = stats.ratio([runs], [runs], apart=0.02)
    assert found is not None
    assert (found.low, found.value, found.high) == (0.98, 1.0, 1.02)


def test_students_quantiles_are_those_of_the_tables() -> None:
    for freedom, known in ((3, 3.182), (6, 2.447), (11, 2.201), (30, 2.042)):
        assert stats._student_t(0.975, freedom) == pytest.approx(known, rel=0.01)


def test_a_large_number_of_samples_is_no_burden() -> None:
    low, high = stats.median_interval([[float(index % 100) for index in range(300_000)]])
    assert 48 <= low <= high <= 51


@given(samples, st.floats(min_value=0.1, max_value=10))
@settings(max_examples=50)
def test_spreads_do_not_depend_on_the_unit(values: list[float], factor: float) -> None:
    scaled = [value * factor for value in values]
    assert stats.coefficient_of_variation(scaled) == pytest.approx(stats.coefficient_of_variation(values), abs=1e-9)
    expected = stats.median_absolute_deviation(values) * factor
    assert stats.median_absolute_deviation(scaled) == pytest.approx(expected, rel=1e-6, abs=1e-9)


def test_variation_is_taken_within_inputs_and_not_over_their_mix() -> None:
    assert stats.variation_within([[1.0, 1.0, 1.0], [50.0, 50.0]]) == (0.0, 3)
    variation, freedom = stats.variation_within([[0.9, 1.1], [90.0, 110.0]])
    assert freedom == 2
    assert variation == pytest.approx(stats.coefficient_of_variation([0.9, 1.1]))


def test_one_interrupted_sample_in_a_hundred_does_not_decide() -> None:
    steady = [1.0, 1.01] * 49 + [1.0]
    assert stats.variation_within([[*steady, 40.0]])[0] > 3
    assert stats.variation_within([[*steady, 40.0]], interrupted=0.01)[0] < 0.02
    assert stats.variation_within([[*steady, 40.0, 40.0]], interrupted=0.01)[0] > 3


def test_samples_are_gathered_by_input_over_several_processes() -> None:
    assert stats.by_input([[1, 2, 3, 4, 5], [10, 20]], 2) == [[1, 3, 5, 10], [2, 4, 20]]
    assert stats.by_run_and_input([[1, 2, 3, 4, 5], [10, 20]], 2) == [[[1, 3, 5], [2, 4]], [[10], [20]]]


def test_no_samples_have_no_statistics() -> None:
    assert stats.summarize([]) is None
    assert math.isnan(stats.percentile([], 50))
    assert math.isnan(stats.median_absolute_deviation([]))
    assert math.isnan(stats.median_interval([])[0])
    assert math.isnan(stats.variation_within([[1.0], []])[0])
