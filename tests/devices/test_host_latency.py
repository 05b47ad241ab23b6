"""The race on this machine: what marks it, and by what its ratios are then taken."""

import multiprocessing
import os
from dataclasses import replace
from typing import Any

import pytest

from edgewright.base.digest import sha256_of
from edgewright.base.progress import Silent
from edgewright.devices import host_latency
from edgewright.devices.host_latency import Contender, HostLatency, compare_on_host, joined, marked_alike, ratio_of
from edgewright.measure.measurement import Measurement
from edgewright.measure.protocol import Protocol
from edgewright.measure.results import parse_result
from tests import artifacts
from tests.calls import text_calls
from tests.measure.examples import SHA256, asked, completed, result_document


def measurement(
    ms: float,
    *,
    threads: int = 1,
    own: float = 2.0,
    after: dict[str, Any] | None = None,
    **sampling: Any,
) -> Measurement:
    """One process of twenty samples in two seconds; `own` is the processor time that it had in these."""
    told = {"seconds": 2.0, "own_cpu_s": own, "all_cpu_s": own + 0.02, "steal_s": 0.0, **sampling}
    document = result_document(latency_ms=[ms, ms] * 10, threads=threads, sampling=told)
    return Measurement(
        artifact="model.pte",
        artifact_bytes=10,
        runtime="executorch",
        runtime_version="1.5.1",
        sha256=SHA256,
        target="local:",
        emulated=False,
        clock="wall",
        threads=threads,
        input_lengths=(8, 8),
        runs=(parse_result(completed(document), asked(threads=threads)),),
        machine_before={"cpu_model": "Some CPU", "cpu_held_back": {"periods": 0, "throttled": 0}},
        machine_after=after or {},
    )


def test_on_a_quiet_machine_the_ratio_is_of_the_medians_and_nothing_is_marked() -> None:
    slow, fast = joined([measurement(12.0)] * 3), joined([measurement(1.0)] * 3)
    found = ratio_of(slow, fast)
    assert (found.value, found.by, found.marks) == (12.0, "wall", ())
    assert (slow.processor, slow.p50_ms, slow.processor_ms) == ("Some CPU", 12.0, 12.0)


def test_contention_that_stretches_the_long_inference_is_taken_out_by_processor_time_and_marked() -> None:
    slow = joined([measurement(39.0, own=0.6)] * 3)  # really 11.7 ms
    fast = joined([measurement(1.0)] * 3)
    found = ratio_of(slow, fast)
    assert found.value == pytest.approx(11.7)
    assert found.by == "processor time"
    assert found.marks == ("its one thread had the processor for 30% of the time",)


@pytest.mark.parametrize(("own", "marked"), [(2.0, False), (1.95, False), (1.93, True), (2.05, False), (2.07, True)])
def test_three_percent_between_processor_time_and_wall_time_are_let_pass(own: float, marked: bool) -> None:
    assert bool(joined([measurement(1.0, own=own)]).marks) is marked


def test_several_threads_are_not_held_to_the_time_of_one() -> None:
    assert joined([measurement(1.0, threads=2, own=3.8)]).marks == ()


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"all_cpu_s": 3.9}, "other programs kept 0.95 cores busy while it was measured"),
        ({"all_cpu_s": 2.3}, "other programs kept 0.15 cores busy while it was measured"),
        ({"steal_s": 0.5}, "the machine's own host took 25% of a core while it was measured"),
        (
            {"after": {"cpu_quota_cores": 0.5, "cpu_held_back": {"periods": 49, "throttled": 37}}},
            "a quota of 0.5 cores held it back in 37 of 49 periods while it was measured",
        ),
    ],
)
def test_what_bench_would_say_against_it_marks_it(changes: dict[str, Any], said: str) -> None:
    slow, fast = joined([measurement(12.0)]), joined([measurement(1.0, **changes)])
    assert fast.marks == (said,)
    found = ratio_of(slow, fast)
    assert (found.by, found.marks) == ("processor time", (said,))


def test_one_race_has_one_verdict_in_the_words_of_the_whole() -> None:
    quiet, busy = measurement(1.0), measurement(12.0, all_cpu_s=3.9)
    found = marked_alike({"a": joined([quiet]), "b": joined([busy])}, [quiet, busy])
    assert found["a"].marks == found["b"].marks == ("other programs kept 0.48 cores busy while it was measured",)
    short = marked_alike({"a": joined([quiet]), "b": joined([busy])}, [quiet] * 99 + [busy])
    assert short["a"].marks == joined([busy]).marks  # of the whole race it is too little to tell
    assert marked_alike({"a": joined([quiet])}, [quiet])["a"].marks == ()


def test_where_not_even_processor_time_repeats_there_is_no_ratio() -> None:
    rounds = [measurement(10.0, own=1.0), measurement(10.0, own=1.9), measurement(10.0, own=1.9)]
    slow, fast = joined(rounds), joined([measurement(1.0)] * 3)
    assert slow.processor_spread == pytest.approx(1.9)
    assert ratio_of(slow, fast).value is None
    assert ratio_of(slow, fast).marks


def test_of_several_threads_that_were_disturbed_there_is_no_ratio() -> None:
    slow = joined([measurement(10.0, threads=2, own=3.0, all_cpu_s=5.0)])
    assert ratio_of(slow, joined([measurement(1.0, threads=2, own=3.9)])).value is None


def contender(threads: int = 1) -> Contender:
    file = artifacts.float_pte()
    inputs = ((2, 5, 6, 3),) * 2
    return Contender(
        name="float",
        runtime="executorch",
        file=file,
        sha256=sha256_of(file),
        calls=text_calls(inputs, runtime="executorch"),
        threads=threads,
    )


def spin(ended: Any) -> None:
    while not ended.is_set():
        pass


@pytest.mark.slow
def test_a_real_race_on_a_machine_whose_every_core_is_busy_is_marked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(host_latency, "PROTOCOL", replace(Protocol.quick(), restarts=1, settle_s=0.0, min_seconds=1.0))
    context = multiprocessing.get_context("spawn")
    ended = context.Event()
    busy = [context.Process(target=spin, args=(ended,), daemon=True) for _ in range(2 * (os.cpu_count() or 1))]
    for each in busy:
        each.start()
    try:
        found: HostLatency = compare_on_host([contender()], progress=Silent(), rounds=1)["float"]
    finally:
        ended.set()
        for each in busy:
            each.join(20)
    assert any("other programs kept" in each for each in found.marks)
    assert found.processor_ms <= found.mean_ms * 1.03
    assert found.processor
