"""The verb `advise`: what it asks for, and how it tells what would help."""

from types import SimpleNamespace
from typing import Any

import pytest

from edgewright.cli.main import main
from edgewright.errors import InputError
from edgewright.specs.profiles import load_profile
from tests.cli.stand_ins import Recorder, document, stand_in

LINE = ("advise", "build/demo", "--profile", "raspberry-pi-4")
ADVICE: dict[str, Any] = {
    "runtime": "litert", "precision": "int8", "profile": "raspberry-pi-4", "limits": ["memory limits it"],
    "changes": [{"faster": 1.5, "latency_ms": 8.0, "what": "two threads", "how": "--threads 2", "costs": "a core"}],
    "no_changes": ["shorter texts"], "int8": {"sentences": ["int8 is faster there"]}, "notes": ["by facts alone"],
}  # fmt: skip


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> Recorder:
    recorder = Recorder((SimpleNamespace(document=lambda: ADVICE),))
    stand_in(monkeypatch, "edgewright.forecast.advice", advise=recorder)
    return recorder


def test_the_document_has_the_advice_for_each_artifact(asked: Recorder, capfd: pytest.CaptureFixture[str]) -> None:
    assert document(capfd, *LINE, "--runtime", "litert", "--length", "32", "--threads", "2") == {
        "bundle": "build/demo", "advice": [ADVICE]
    }  # fmt: skip
    assert asked.arguments == ("build/demo", load_profile("raspberry-pi-4"))
    assert asked.options == {"runtime": "litert", "length": 32, "threads": 2}


def test_limits_changes_and_what_buys_nothing_are_told(asked: Recorder, capfd: pytest.CaptureFixture[str]) -> None:
    assert main([*LINE]) == 0
    text = " ".join(capfd.readouterr().out.split())
    for part in ("memory limits it", "1.50×", "two threads", "--threads 2", "Buys nothing here: shorter texts.",
                 "int8 is faster there", "by facts alone"):  # fmt: skip
        assert part in text, part


def test_a_bundle_of_which_nothing_can_be_said_is_wrong_input(
    asked: Recorder, capfd: pytest.CaptureFixture[str]
) -> None:
    asked.outcome = InputError("build/demo has nothing for litert; it has onnx")
    assert document(capfd, *LINE, status=2)["error"]["message"] == str(asked.outcome)
