"""What a target gets is chosen by what it says of itself."""

from pathlib import Path

import pytest

from edgewright.errors import TargetError
from edgewright.measure.deployment import deploy, fitting_runtime
from edgewright.runtimes.device import DeviceRuntime
from edgewright.targets.transports.fake import FakeTarget


def test_a_machine_that_says_no_processor_gets_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("edgewright.measure.deployment.read_facts", lambda *_: {})
    with pytest.raises(TargetError, match="does not say what processor it has"):
        fitting_runtime(FakeTarget(tmp_path), "executorch")


def test_a_processor_that_a_runtime_is_not_made_for_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    facts = {"arch": "riscv64", "libc": "glibc 2.36", "word_bits": 64, "python": "3.11"}
    monkeypatch.setattr("edgewright.measure.deployment.read_facts", lambda *_: facts)
    for runtime in ("executorch", "litert", "tflite"):
        with pytest.raises(TargetError, match="cannot be provided for a riscv64 machine"):
            fitting_runtime(FakeTarget(tmp_path), runtime)


def test_a_runtime_without_the_operators_that_a_file_calls_is_refused_before_anything_is_sent(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    runner, artifact = tmp_path / "runner", tmp_path / "model.pte"
    runner.write_bytes(b"runner")
    artifact.write_bytes(b"model")
    made = DeviceRuntime(
        name="executorch", version="1.5.1", files={"runner": runner}, argv=(), operators=("edgewright 1",)
    )
    monkeypatch.setattr("edgewright.measure.deployment.fitting_runtime", lambda *_: made)
    target = FakeTarget(tmp_path / "device")
    with pytest.raises(TargetError, match=r"calls the operator library 'edgewright 2', which executorch 1\.5\.1 on"):
        deploy(target, artifact, runtime="executorch", operators=("edgewright 1", "edgewright 2"))
    assert not [path for path in (tmp_path / "device").rglob("*") if path.is_file()]
    assert deploy(target, artifact, runtime="executorch", operators=("edgewright 1",)).artifact.size_bytes == 5
