import json
from typing import Any

import pytest

from edgewright.measure.measurement import Measurement, apart_from_others
from edgewright.measure.results import parse_result
from edgewright.measure.stability import throttling
from tests.measure.examples import SHA256, asked, completed, result_document


def measurement(*latencies: list[float], inputs: int = 2, before: Any = None, after: Any = None) -> Measurement:
    documents = [result_document(latency_ms=latency, load_ms=1.0 + place) for place, latency in enumerate(latencies)]
    runs = [parse_result(completed(item), asked(sampled=bool(item["latency_ms"]))) for item in documents]
    return Measurement(
        artifact="model.pte",
        artifact_bytes=1000,
        runtime="executorch",
        runtime_version="1.5.1",
        sha256=SHA256,
        target="ssh://pi@kitchen",
        emulated=False,
        clock="wall",
        threads=1,
        input_lengths=(4,) * inputs,
        runs=tuple(runs),
        machine_before=before or {},
        machine_after=after or {},
    )


def test_inputs_of_unlike_lengths_are_stable_when_each_repeats() -> None:
    seen = measurement([1.0, 50.0] * 10, [1.01, 50.5] * 10)
    assert seen.stable
    assert seen.stability.variation < 0.01
    assert seen.stability.reasons == ()


def test_a_variation_above_five_percent_is_flagged_and_above_ten_is_not_stable() -> None:
    flagged = measurement([0.93, 50.0, 1.07, 50.0] * 10)
    assert flagged.stable
    assert "varies by" in flagged.stability.reasons[0]
    unstable = measurement([0.7, 50.0, 1.3, 50.0] * 10)
    assert not unstable.stable
    assert "more than 10%" in unstable.stability.reasons[0]


def test_one_pass_over_the_inputs_is_too_little_to_judge() -> None:
    assert not measurement([1.0, 50.0]).stable
    assert "too few" in measurement([1.0, 50.0]).stability.reasons[0]


def word(bits: int | None) -> dict[str, object]:
    """The machine's facts, with the firmware's throttling word where the board has one."""
    return {"throttling": None if bits is None else {"raw": hex(bits)}}


@pytest.mark.parametrize(
    ("before", "after", "said"),
    [
        (0x0, 0x50005, "was throttled while it was measured (new bits 0x50005)"),
        (0x50000, 0x50000, ""),
        (0x50005, 0x50005, "throttled before it was measured (bits 0x5)"),
        (0x50000, 0x50004, "new bits 0x4"),
        (None, None, ""),
    ],
)
def test_a_throttled_board_is_not_stable(before: int | None, after: int | None, said: str) -> None:
    found = throttling(word(before), word(after))
    assert bool(found) == bool(said)
    assert said in "".join(found)
    assert measurement([1.0, 5.0] * 10, before=word(before), after=word(after)).stable == (not said)


def test_the_figures_of_several_processes_are_put_together() -> None:
    seen = measurement([1.0, 5.0] * 5, [1.0, 5.0] * 5, [1.0, 5.0] * 5)
    assert len(seen.latency_ms) == 30
    assert seen.load_ms == 2.0
    assert seen.peak_rss_bytes == 9_000_000
    assert [call["output"].tolist() for call in seen.outputs] == [[0.5, -0.5], [0.25, 0.75]]


def test_the_document_is_json_and_has_what_the_bench_promises() -> None:
    document = json.loads(json.dumps(measurement([1.0, 5.0] * 10).document(), allow_nan=False))
    assert document["artifact"] == {
        "runtime": "executorch",
        "runtime_version": "1.5.1",
        "file": "model.pte",
        "bytes": 1000,
        "sha256": SHA256,
    }
    assert {"p50", "p90", "p99", "samples"} <= document["latency_ms"].keys()
    assert {"target", "emulated", "clock", "load_ms", "first_inference_ms", "peak_rss_bytes", "stable", "machine"} <= (
        document.keys()
    )


def test_what_measurements_differ_by_is_allowed_for_by_the_clock_and_the_machine() -> None:
    assert apart_from_others("instructions", {"cpu_features": ["hypervisor"]}) == 0
    assert apart_from_others("wall", {"cpu_features": None}) == 0.02
    assert apart_from_others("wall", {"cpu_features": ["avx2", "hypervisor"]}) == 0.04
    steady = measurement([1.0, 1.0] * 10, before={"cpu_features": ["hypervisor"]}).latency
    assert steady is not None
    assert (steady.low, steady.high) == pytest.approx((0.96, 1.04))
