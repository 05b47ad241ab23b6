"""What a target gets is chosen by what it says of itself."""

from pathlib import Path

import pytest

from edgewright.errors import TargetError
from edgewright.measure.deployment import fitting_runtime
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
