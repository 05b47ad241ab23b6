"""What was seen of each probe becomes samples of the least disturbed round, and the share that threads divide."""

import pytest
from pydantic import ValidationError

from edgewright.cost.pricing import predict
from edgewright.devices.probe_results import ProbeRow, ProbeTurn, _parallel_share, _samples, fitted_tables
from edgewright.devices.timed_models import BOTH
from tests.devices.test_calibration import TRUE

LARGE = next(probe for probe in BOTH if probe.name == "encoder 256")


def turn(number: int = 0, *, threads: int = 1, runtime: str = "executorch") -> ProbeTurn:
    return ProbeTurn(probe=LARGE, runtime=runtime, precision="int8", round=number, threads=threads)


def row(length: int, latency_ms: float, *, peak_bytes: int = 1 << 20) -> ProbeRow:
    return ProbeRow(length=length, latency_ms=latency_ms, peak_bytes=peak_bytes, file_bytes=4000, runtime_version="1.2")


def test_a_turn_is_kept_under_all_that_it_differs_by() -> None:
    assert turn(2, threads=4).name == "executorch-int8-encoder-256-2-4"
    assert turn(2) != turn(1)


def test_the_fastest_round_counts_and_the_largest_memory() -> None:
    results = {
        turn(0): [row(8, 2.0), row(16, 5.0, peak_bytes=1 << 22)],
        turn(1): [row(8, 3.0, peak_bytes=1 << 21), row(16, 4.0)],
        turn(0, threads=2): [row(8, 0.5)],
        turn(0, runtime="litert"): [row(8, 0.1)],
    }
    samples, version = _samples(results, "executorch", "int8")
    assert version == "1.2"
    assert [(each.length, each.latency_ms, each.peak_bytes) for each in samples] == [
        (8, 2.0, 1 << 21),
        (16, 4.0, 1 << 22),
    ]


@pytest.mark.parametrize(("threaded_ms", "share"), [(6.0, 0.8), (10.0, 0.0), (12.0, 0.0), (1.0, 1.0)])
def test_how_much_threads_share_follows_from_the_longest_text(threaded_ms: float, share: float) -> None:
    results = {turn(0): [row(8, 1.0), row(64, 10.0)], turn(0, threads=2): [row(8, 9.0), row(64, threaded_ms)]}
    assert _parallel_share(results, "executorch") == pytest.approx(share)
    assert _parallel_share({turn(0): [row(8, 1.0)]}, "executorch") == 0


def test_each_runtime_and_precision_gets_a_table_of_its_own() -> None:
    results = {}
    for probe in BOTH:
        each = ProbeTurn(probe=probe, runtime="executorch", precision="int8", round=0)
        costs = [(length, predict(TRUE, probe.structure("executorch"), length=length)) for length in (8, 33)]
        results[each] = [row(length, cost.latency_ms) for length, cost in costs]
    (table,) = fitted_tables(results, "local:", ("executorch",), ("int8",))
    assert (table.runtime, table.precision, table.runtime_version) == ("executorch", "int8", "1.2")
    assert table.samples == 2 * len(BOTH)
    assert table.table.source == "calibrated on local"


def test_a_row_that_nothing_can_have_measured_is_refused() -> None:
    with pytest.raises(ValidationError, match="latency_ms"):
        row(8, 5e-324)
