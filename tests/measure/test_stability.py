from typing import Any

import pytest

from edgewright.measure.results import parse_result
from edgewright.measure.runner_documents import RunnerResult
from edgewright.measure.settle import is_at_rest
from edgewright.measure.stability import busiest, judged, throttling
from tests.measure.examples import asked, completed, result_document


def run(scale: float = 1.0, **sampling: Any) -> RunnerResult:
    """A process of twenty samples; `sampling` says what the machine was doing meanwhile."""
    told = {"seconds": 2.0, "own_cpu_s": 2.0, "all_cpu_s": 2.02, "steal_s": 0.0, **sampling}
    document = result_document(latency_ms=[scale, 5 * scale] * 10, sampling=told)
    return parse_result(completed(document), asked())


def said(*runs: RunnerResult, before: Any = None, after: Any = None, by_instructions: bool = False) -> tuple[bool, str]:
    found = judged(runs, inputs=2, before=before or {}, after=after or {}, by_instructions=by_instructions)
    return found.stable, "; ".join(found.reasons)


def test_a_machine_to_ourselves_gives_nothing_to_remark() -> None:
    assert said(*[run(1 + 0.001 * place) for place in range(7)]) == (True, "")


def test_other_programs_make_a_measurement_unstable_and_are_named() -> None:
    after = {"busiest": [{"name": "cc1plus", "cores": 0.9}]}
    stable, reasons = said(*[run(all_cpu_s=3.9) for _ in range(3)], after=after)
    assert not stable
    assert reasons == "other programs kept 0.95 cores busy while it was measured (cc1plus)"
    assert said(*[run(all_cpu_s=2.3) for _ in range(3)])[0]
    assert "0.15 cores" in said(*[run(all_cpu_s=2.3) for _ in range(3)])[1]
    assert said(*[run(all_cpu_s=3.9) for _ in range(3)], by_instructions=True) == (True, "")


def test_a_kernel_that_does_not_tell_whose_time_it_was_is_not_held_against_it() -> None:
    assert said(*[run(all_cpu_s=None, steal_s=None) for _ in range(3)]) == (True, "")


def test_time_that_a_host_took_and_sleep_make_a_measurement_unstable() -> None:
    assert said(run(steal_s=0.5)) == (False, "the machine's own host took 25% of a core while it was measured")
    assert said(run(), run(suspended_s=7.0)) == (
        False,
        "the machine slept, or its clock jumped, for 7.00 s while it was measured",
    )


def test_a_quota_that_was_used_up_makes_a_measurement_unstable_and_is_named() -> None:
    before, after = (
        {"cpu_quota_cores": 0.5, "cpu_held_back": {"periods": 100 + n, "throttled": m}} for n, m in ((0, 5), (49, 42))
    )
    assert said(run(), before=before, after=after) == (
        False,
        "a quota of 0.5 cores held it back in 37 of 49 periods while it was measured",
    )
    once = {**after, "cpu_held_back": {"periods": 149, "throttled": 6}}
    assert said(run(), before=before, after=once)[0]
    assert "in 1 of 49 periods" in said(run(), before=before, after=once)[1]
    assert said(run(), before=before, after=before) == (True, "")
    assert said(run(), before=before, after=after, by_instructions=True) == (True, "")


def test_a_quota_that_came_meanwhile_counts_from_its_start() -> None:
    after = {"cpu_quota_cores": 1.0, "cpu_held_back": {"periods": 10, "throttled": 9}}
    assert "in 9 of 10 periods" in said(run(), after=after)[1]


def test_more_threads_than_a_quota_feeds_are_remarked() -> None:
    sampling = {"seconds": 2.0, "own_cpu_s": 2.0, "all_cpu_s": 2.02, "steal_s": 0.0}
    document = result_document(threads=4, latency_ms=[1.0, 5.0] * 10, sampling=sampling)
    four = parse_result(completed(document), asked(threads=4))
    assert said(four, after={"cpu_quota_cores": 1.5}) == (True, "its 4 threads had a quota of 1.5 cores to share")
    assert said(four, after={"cpu_quota_cores": 4.0}) == (True, "")
    assert said(run(), after={"cpu_quota_cores": 0.5}) == (True, "")


def test_processes_that_differ_by_much_make_a_measurement_unstable() -> None:
    stable, reasons = said(run(1.0), run(1.15), run(0.9), run(1.0), run(1.1))
    assert not stable
    assert "after 5 processes the latency is known to" in reasons


def test_a_clock_that_moves_is_remarked() -> None:
    states = [{"s": 0.0, "clock_khz": 1_800_000.0}, {"s": 0.25, "clock_khz": 1_500_000.0}]
    assert said(run(states=states)) == (True, "the clock moved between 1500 and 1800 MHz while it was measured")


def test_throttling_that_came_and_went_between_two_looks_is_seen() -> None:
    words = {"throttling": {"raw": "0x0"}}
    states = [{"s": 0.0, "throttled": "0"}, {"s": 0.25, "throttled": "4"}, {"s": 0.5, "throttled": "0"}]
    stable, reasons = said(run(states=states), before=words, after=words)
    assert not stable
    assert "new bits 0x4" in reasons


def test_a_machine_that_did_not_come_to_rest_is_remarked() -> None:
    assert said(run(), before={"settled": False})[1] == "the machine had not come to rest when it was measured"


@pytest.mark.parametrize(
    ("last", "now", "at_rest"),
    [
        ((10.0, 5.0, 50.0), (11.0, 5.05, 49.9), True),
        ((10.0, 5.0, 50.0), (11.0, 5.5, 50.0), False),
        ((10.0, 5.0, 50.0), (11.0, 5.0, 49.0), False),
        ((None, None, None), (None, None, None), True),
    ],
)
def test_a_machine_is_at_rest_once_nobody_works_and_it_no_longer_cools(last: Any, now: Any, at_rest: bool) -> None:
    looks = [dict(zip(("uptime_s", "busy_s", "temperature_c"), each, strict=True)) for each in (last, now)]
    assert is_at_rest(*looks) is at_rest


def test_who_was_busy_is_told_by_name_and_the_idle_are_not() -> None:
    before = {"uptime_s": 100.0, "processes": {"1 init": 3.0, "40 make (all)": 1.0, "41 idle": 0.0}}
    after = {"uptime_s": 110.0, "processes": {"1 init": 3.1, "40 make (all)": 6.0, "52 cc1": 10.0, "41 idle": 0.0}}
    assert busiest(before, after) == [{"name": "cc1", "cores": 1.0}, {"name": "make (all)", "cores": 0.5}]
    assert busiest({}, after) == []


def test_a_phone_that_is_throttled_for_its_heat_gives_no_stable_measurement() -> None:
    cool = {"thermal_status": {"status": "none", "by": [], "cpu_c": 40.0}}
    warm = {"thermal_status": {"status": "moderate", "by": ["VIRTUAL-SKIN"], "cpu_c": 72.0}}
    assert throttling(cool, cool) == []
    assert throttling(cool, warm) == ["the device was throttled for its heat: moderate (VIRTUAL-SKIN)"]
    assert throttling(warm, cool) == ["the device was throttled for its heat: moderate (VIRTUAL-SKIN)"]


JUMPS = "; 10 of 320 samples hold up to 5.6 ms that are not the model's"


def of_latencies(*latencies: list[float], inputs: int = 2, **changes: Any) -> tuple[bool, str]:
    sampling = {"seconds": 2.0, "own_cpu_s": 2.0, "all_cpu_s": 2.02, "steal_s": 0.0}
    runs = [parse_result(completed(result_document(latency_ms=each, sampling=sampling)), asked()) for each in latencies]
    found = judged(runs, inputs=inputs, before={}, after={}, **changes)
    return found.stable, "; ".join(found.reasons)


def alternating(share: float, *, base: float = 1.0, count: int = 20) -> list[float]:
    """Samples that lie by a share above and below."""
    return [base * (1 + share * (-1) ** place) for place in range(count)]


def interleaved(*inputs: list[float]) -> list[float]:
    return [sample for each in zip(*inputs, strict=True) for sample in each]


def test_inputs_of_unlike_lengths_are_no_variation() -> None:
    assert of_latencies(interleaved([1.0] * 20, [80.0] * 20)) == (True, "")


def test_one_input_that_does_not_repeat_does_not_hide_among_those_that_do() -> None:
    steady = [[1.0 + place] * 20 for place in range(15)]
    restless = alternating(0.14, base=40.0)
    found = of_latencies(interleaved(*steady, restless), inputs=16, by_instructions=True)
    assert found == (False, "the latency of input 16 of 16 varies by 14.4%, more than 10%" + JUMPS)
    found = of_latencies(interleaved(alternating(0.07), *steady), inputs=16, by_instructions=True)
    assert found == (True, "the latency of input 1 of 16 varies by 7.2%; up to 10% counts as stable")


def test_one_interrupted_sample_of_an_input_does_not_decide() -> None:
    assert of_latencies(interleaved([1.0] * 9 + [1.5], *[[2.0] * 10] * 7), inputs=8, by_instructions=True)[0]


@pytest.mark.parametrize("share", [0.0, 0.03, 0.055, 0.076, 0.097, 0.12, 0.4])
def test_a_stable_measurement_never_says_that_it_varies_by_more_than_it_may(share: float) -> None:
    stable, reasons = of_latencies(interleaved(alternating(share), alternating(share)), by_instructions=True)
    assert stable is (share <= 0.1)
    assert ("more than" in reasons) is not stable
    assert ("counts as stable" in reasons) is (stable and share > 0.05)


def test_samples_that_hold_more_than_the_model_are_told_where_instructions_are_counted() -> None:
    found = of_latencies(interleaved([20.0] * 19 + [24.25], [40.0] * 20), by_instructions=True)
    assert found == (True, "1 of 40 samples hold up to 4.2 ms that are not the model's")
    assert of_latencies(interleaved([20.0] * 19 + [20.19], [40.0] * 20), by_instructions=True) == (True, "")
