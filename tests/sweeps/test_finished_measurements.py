"""Once samples were taken, whatever fails is told beside the measurement, and the measurement is there."""

import json
import sys
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import Any
from unittest.mock import Mock

import pytest

from edgewright.cli.verbs import bench as verb
from edgewright.cost.expected import NoExpectation
from edgewright.devices import benchmark
from edgewright.errors import InvalidFileError, UnreachableError
from edgewright.measure.measurement import Measurement
from edgewright.measure.measuring import measure
from edgewright.measure.protocol import Protocol, RemoteArtifact, RemoteRuntime, RunOptions
from edgewright.runtimes.device import DeviceRuntime
from edgewright.targets.base import Target
from edgewright.targets.transports.fake import FakeTarget
from tests.measure.examples import SHA256, TWO_CALLS, result_document
from tests.report.documents import bench as bench_document

PROTOCOL = Protocol(restarts=2, warmup_runs=0, warmup_s=0.0, samples=20, min_seconds=0.0)


def measured(tmp_path: Path, facts: Any, **options: Any) -> Measurement:
    """Two processes of a runner that says what it was told to say."""
    script = tmp_path / "runner.py"
    script.write_text(f"print('''{json.dumps(result_document(latency_ms=[1.0, 5.0] * 10))}''')")
    made = DeviceRuntime(
        name="executorch", version="1", files={"runner.py": script}, argv=(sys.executable, "{runtime}/runner.py")
    )
    artifact = RemoteArtifact(path=PurePosixPath("/nowhere/model.pte"), sha256=SHA256, size_bytes=5)
    runtime = RemoteRuntime(runtime=made, directory=PurePosixPath(tmp_path))
    target = FakeTarget(tmp_path)
    return measure(target, artifact, runtime, TWO_CALLS, protocol=PROTOCOL, facts=facts, options=RunOptions(**options))


@pytest.mark.parametrize(
    "error", [UnreachableError("the board is gone"), ValueError("400 digits are no load"), RecursionError("deep")]
)
def test_a_machine_that_cannot_be_asked_afterwards_costs_no_samples(tmp_path: Path, error: Exception) -> None:
    asked: list[Target] = []

    def facts(target: Target) -> Mapping[str, Any]:
        asked.append(target)
        if len(asked) > 1:
            raise error
        return {}

    found = measured(tmp_path, facts)
    assert len(found.latency_ms) == 40
    assert f"how the machine was afterwards could not be read: {error}" in found.stability.reasons
    assert found.stable


def test_an_etdump_that_cannot_be_fetched_costs_no_samples(tmp_path: Path) -> None:
    found = measured(tmp_path, lambda target: {}, etdump=tmp_path / "profile.etdp")
    assert len(found.latency_ms) == 40
    assert any(reason.startswith("the ETDump was not brought here: ") for reason in found.stability.reasons)


def test_a_doubt_about_the_lease_is_one_of_its_reasons(tmp_path: Path) -> None:
    found = measured(tmp_path, lambda target: {}).with_fault("first").with_fault("second")
    assert found.stability.reasons[:2] == ("first", "second")
    assert found.document()["machine_after"]["faults"] == ["first", "second"]


@pytest.mark.parametrize("error", [InvalidFileError("prices.json", [("base_ms", "is missing")]), KeyError("linear")])
def test_a_prediction_that_fails_is_told_as_not_known(monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
    def fails(*args: Any, **options: Any) -> Any:
        raise error

    monkeypatch.setattr(benchmark, "expected", fails)
    anything: Any = Mock()
    anything.signature.generation = None
    assert benchmark._expected(anything, anything, anything, "local:") == NoExpectation(reason=str(error))


def test_neither_a_history_nor_corrections_that_cannot_be_written_cost_a_measurement(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "data").write_text("a file where the folder should be")
    monkeypatch.setenv("EDGEWRIGHT_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.delenv("EDGEWRIGHT_HISTORY", raising=False)
    predicted = {"profile": "raspberry-pi-4", "basis": "facts", "length": 16, "uncorrected_ms": 10.0}
    verb._keep(bench_document(predicted=predicted, stable=True, cores=[]))
    told = capsys.readouterr().err
    assert "warning: this bench is not in the history: " in told
    assert "warning: the next prediction is not corrected by this bench: " in told
