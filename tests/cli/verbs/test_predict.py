"""The verb `predict`: what it asks for, and what it ends with."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from edgewright.cli.main import main
from edgewright.specs.budget import Budget, Verdict, judge
from edgewright.specs.profiles import load_profile
from tests.cli.stand_ins import Recorder, document, stand_in
from tests.report.test_terminal import PREDICTED

LINE = ("predict", "build/demo", "--profile", "raspberry-pi-4")
MISSED = judge(Budget(latency_ms=1), latency_ms=10.0)


def predicted(verdict: Verdict) -> Any:
    return SimpleNamespace(verdict=verdict, document=lambda: PREDICTED | {"budget": verdict.summary()})


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> Recorder:
    recorder = Recorder((predicted(Verdict(met=True)),))
    stand_in(monkeypatch, "edgewright.forecast.prediction", predictions=recorder)
    return recorder


def test_by_default_int8_by_the_wall_clock_is_asked_for(asked: Recorder, capfd: pytest.CaptureFixture[str]) -> None:
    found = document(capfd, *LINE)
    assert found["subject"] == "build/demo"
    assert [each["runtime"] for each in found["predictions"]] == ["executorch"]
    assert asked.arguments == ("build/demo", load_profile("raspberry-pi-4"))
    assert asked.options == {
        "runtime": None, "length": None, "threads": None, "clock": "wall", "precision": "int8", "cluster": None
    }  # fmt: skip


def test_every_flag_reaches_the_prediction(asked: Recorder, capfd: pytest.CaptureFixture[str]) -> None:
    flags = ("--runtime", "litert", "--length", "32", "--threads", "2", "--emulated", "--float", "--cluster", "A510")
    assert main([*LINE, *flags]) == 0
    assert asked.options == {
        "runtime": "litert", "length": 32, "threads": 2, "clock": "instructions", "precision": "float",
        "cluster": "A510",
    }  # fmt: skip
    assert "executorch int8 on raspberry-pi-4, 16 tokens, 1 thread" in " ".join(capfd.readouterr().out.split())


@pytest.mark.parametrize(
    ("verdicts", "status"), [([MISSED], 1), ([MISSED, Verdict(met=True)], 0), ([Verdict(met=True)], 0)]
)
def test_it_ends_with_1_where_no_artifact_would_keep_the_budget(
    asked: Recorder, verdicts: list[Verdict], status: int, capfd: pytest.CaptureFixture[str]
) -> None:
    asked.outcome = tuple(map(predicted, verdicts))
    document(capfd, *LINE, status=status)


def test_there_is_no_roof_by_the_instruction_clock(asked: Recorder, tmp_path: Path) -> None:
    assert main([*LINE, "--plot", str(tmp_path / "roof.html"), "--emulated"]) == 2
    assert not (tmp_path / "roof.html").exists()


@pytest.mark.parametrize("length", ["1", "513", "many"])
def test_a_length_that_no_text_has_is_wrong_input(asked: Recorder, length: str) -> None:
    assert main([*LINE, "--length", length]) == 2
    assert asked.options == {}


def test_a_profile_is_checked_before_anything_is_predicted(asked: Recorder, capfd: pytest.CaptureFixture[str]) -> None:
    error = document(capfd, "predict", "build/demo", "--profile", "raspberry-pie-4", status=2)["error"]
    assert "did you mean raspberry-pi-4" in error["message"]
    assert asked.options == {}
