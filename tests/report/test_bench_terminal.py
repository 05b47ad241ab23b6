"""A measurement on a terminal."""

import json

from edgewright.report.bench_terminal import bench_report
from tests.report.documents import bench
from tests.report.test_terminal import HOSTILE, PREDICTED, shown


def test_a_measurement_has_its_latencies_memory_and_verdict() -> None:
    text = " ".join(shown(bench_report(json.loads(json.dumps(bench())))).split())
    for part in ("build/demo on ssh://pi@raspberrypi.local", "model.pte (executorch, 5.00 MB)", "18.0", "Budget met."):
        assert part in text, part


def test_what_was_expected_stands_beside_what_was_measured() -> None:
    measured = bench()
    measured["latency_ms"]["p50"] = 15.0
    predicted = shown(bench_report(measured | {"predicted": PREDICTED}))
    assert "10 ms (5 to 20); measured +50 %; from facts" in predicted
    unknown = shown(bench_report(measured | {"predicted": {"unknown": f"no profile {HOSTILE}"}}))
    assert f"not known: no profile {HOSTILE}" in unknown
