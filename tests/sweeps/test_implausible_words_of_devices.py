"""What a device cannot have measured is never kept, and where it was, no verb fails for it."""

import json
import sys
from pathlib import Path, PurePosixPath
from typing import Any

import pytest

from edgewright.base.places import data_dir
from edgewright.cost.device_prices import Corrected, prices_for
from edgewright.errors import RunnerError
from edgewright.measure.measuring import measure
from edgewright.measure.protocol import Protocol, RemoteArtifact, RemoteRuntime
from edgewright.runtimes.device import DeviceRuntime
from edgewright.specs.profiles import load_profile
from edgewright.targets.transports.fake import FakeTarget
from tests.measure.examples import SHA256, TWO_CALLS, result_document

SEEN = {
    "runtime": "executorch",
    "runtime_version": "1.5.1",
    "basis": "facts",
    "sha256": "ab" * 32,
    "length": 16,
    "threads": 1,
    "predicted_ms": 10.0,
    "measured_ms": 12.0,
}


def lying(folder: Path, **said: Any) -> RemoteRuntime:
    """A runner that prints what it was told to print."""
    script = folder / "runner.py"
    script.write_text(f"print('''{json.dumps(result_document(**said))}''')")
    made = DeviceRuntime(
        name="executorch", version="1", files={"runner.py": script}, argv=(sys.executable, "{runtime}/runner.py")
    )
    return RemoteRuntime(runtime=made, directory=PurePosixPath(folder))


@pytest.mark.parametrize(
    ("said", "why"),
    [
        ({"latency_ms": [5e-324] * 20}, "no time that a device can measure"),
        ({"latency_ms": [1e300] * 20}, "no time that a device can measure"),
        ({"peak_rss_bytes": 1}, "no process has 1 bytes"),
        ({"runtime": "litert"}, "it is of litert, and executorch was asked for"),
        ({"threads": 16}, "it is of 16 threads, and 1 were asked for"),
    ],
)
def test_a_device_that_lies_gives_no_measurement(tmp_path: Path, said: dict[str, Any], why: str) -> None:
    artifact = RemoteArtifact(path=PurePosixPath("/nowhere/model.pte"), sha256=SHA256, size_bytes=5)
    with pytest.raises(RunnerError, match=why) as caught:
        measure(
            FakeTarget(tmp_path),
            artifact,
            lying(tmp_path, **said),
            TWO_CALLS,
            protocol=Protocol(restarts=1, warmup_runs=0, samples=20),
            facts=lambda target: {},
        )
    assert caught.value.exit_code == 3


@pytest.mark.parametrize(
    "entry", [{"measured_ms": 5e-324}, {"predicted_ms": 1e-320}, {"threads": 10**9}, {"length": -3}]
)
def test_predictions_go_on_beside_an_entry_that_cannot_be(
    entry: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("EDGEWRIGHT_DATA_DIR", str(tmp_path))
    file = data_dir("corrections") / "raspberry-pi-4.json"
    file.write_text(json.dumps({"schema_version": 1, "seen": [SEEN, {**SEEN, "sha256": "cd" * 32, **entry}]}))
    prices = prices_for(load_profile("raspberry-pi-4"), runtime="executorch", precision="int8", version="1.5.1")
    assert isinstance(prices, Corrected)
    assert prices.measurements == 1
    assert caplog.text.count("holds what cannot be") == 1
    assert len(json.loads(file.read_text())["seen"]) == 1
    assert len(json.loads(Path(f"{file}.set-aside").read_text())["seen"]) == 2
