"""Where an inference spends its time, from constructed measurements."""

from typing import Any

import pytest

from edgewright.measure.measurement import Measurement
from edgewright.measure.operators import operators_of
from edgewright.measure.runner_documents import RunnerResult
from edgewright.report.bench_terminal import bench_report
from tests.measure.examples import result_document


def operator(name: str, ms: float, *, delegated: bool = False, calls: int = 1) -> dict[str, Any]:
    return {"name": name, "delegated": delegated, "calls": calls, "ms": ms}


def measurement(*profiles: tuple[float, list[dict[str, Any]]]) -> Measurement:
    runs = [RunnerResult.model_validate_json(_json(profiled_ms=ms, operators=each)) for ms, each in profiles]
    return Measurement(
        artifact="model.pte",
        artifact_bytes=1,
        runtime="executorch",
        runtime_version="1",
        sha256="0" * 64,
        target="local:",
        emulated=False,
        clock="wall",
        threads=1,
        input_lengths=(3, 4),
        runs=tuple(runs or [RunnerResult.model_validate_json(_json())]),
        machine_before={},
        machine_after={},
    )


def _json(**changes: Any) -> str:
    import json

    return json.dumps(result_document(**changes))


RUN = [
    operator("DELEGATE_CALL", 6.0, calls=9),
    operator("Fully Connected", 4.0, delegated=True, calls=8),
    operator("Softmax", 1.0, delegated=True),
    operator("native_layer_norm.out", 2.0, calls=7),
    operator("add.out", 1.0),
]


def test_shares_are_of_the_whole_and_what_no_operator_took_is_between_them() -> None:
    found = operators_of(measurement((10.0, RUN)))
    assert found is not None
    assert (found.delegated_share, found.own_share) == (pytest.approx(0.6), pytest.approx(0.3))
    assert found.between_share == pytest.approx(0.1)
    assert [row.name for row in found.rows] == ["Fully Connected", "native_layer_norm.out", "Softmax", "add.out"]
    assert found.rows[1].share == pytest.approx(0.2)


def test_processes_are_averaged_and_an_operator_that_only_one_saw_counts_for_both() -> None:
    found = operators_of(measurement((10.0, RUN), (12.0, [operator("add.out", 3.0)])))
    assert found is not None
    assert found.total_ms == pytest.approx(11.0)
    assert {row.name: row.ms for row in found.rows}["add.out"] == pytest.approx(2.0)
    assert {row.name: row.ms for row in found.rows}["Softmax"] == pytest.approx(0.5)


def test_a_measurement_without_a_profile_has_no_operators() -> None:
    assert operators_of(measurement()) is None


def test_a_clock_too_coarse_for_operators_gives_no_negative_share() -> None:
    found = operators_of(measurement((1.0, [operator("add.out", 1.2)])))
    assert found is not None
    assert found.between_share == 0


def test_a_bench_report_shows_the_longest_operators_and_the_shares() -> None:
    from rich.console import Console

    found = operators_of(measurement((10.0, RUN)))
    assert found is not None
    summary = {
        "bundle": "b",
        "target": "local:",
        "emulated": False,
        "artifact": {"file": "model.pte", "runtime": "executorch", "bytes": 1},
        "latency_ms": {"p50": 1.0, "p90": 1.0, "p99": 1.0},
        "operators": found.document(),
        "budget": {"missed": []},
    }
    console = Console(width=200, record=True)
    console.print(bench_report(summary))
    text = console.export_text()
    assert "native_layer_norm.out" in text
    assert "60 % in delegates, 30 % in the runtime's own kernels, 10 % between" in text
