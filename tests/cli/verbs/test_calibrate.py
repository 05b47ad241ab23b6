"""The verb `calibrate`: which device, runtimes and precisions it measures, and what it says it found."""

from types import SimpleNamespace
from typing import Any

import pytest

from edgewright.base import extras
from edgewright.cli.main import main
from tests.cli.stand_ins import Recorder, document, stand_in


def made(bandwidth: float | None = 3.0) -> Any:
    table = SimpleNamespace(
        runtime="litert", runtime_version="2.3", precision="int8", samples=30, table=SimpleNamespace(spread=0.05)
    )
    return SimpleNamespace(
        tables=[table], copy_bandwidth_gb_s=bandwidth, profile="raspberry-pi-4",
        model_dump=lambda mode: {"profile": "raspberry-pi-4"}, clock="wall",
    )  # fmt: skip


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> Recorder:
    recorder = Recorder(made())
    stand_in(monkeypatch, "edgewright.devices.calibration", calibrate=recorder)
    return recorder


def test_every_runtime_is_priced_in_int8(asked: Recorder, capfd: pytest.CaptureFixture[str]) -> None:
    assert document(capfd, "calibrate", "--target", "emulated://raspberry-pi-4") == {"profile": "raspberry-pi-4"}
    assert asked.arguments == ("emulated://raspberry-pi-4",)
    asked.options.pop("progress")
    assert asked.options["runtimes"] == ()  # all that prices are measured for
    assert asked.options["precisions"] == ("int8",)


def test_one_runtime_and_floats_too_where_that_is_asked(asked: Recorder, capfd: pytest.CaptureFixture[str]) -> None:
    document(capfd, "calibrate", "--target", "local:", "--profile", "x86-64", "--runtime", "litert", "--float")
    assert asked.options["profile"] == "x86-64"
    assert asked.options["runtimes"] == ("litert",)
    assert asked.options["precisions"] == ("int8", "float")


def test_a_runtime_that_no_prices_are_measured_for_is_told(asked: Recorder, capfd: pytest.CaptureFixture[str]) -> None:
    error = document(capfd, "calibrate", "--target", "local:", "--runtime", "litrt", status=2)["error"]
    assert "did you mean litert" in error["message"]
    assert asked.options == {}


def test_what_was_found_is_told_with_how_far_off_it_is(asked: Recorder, capfd: pytest.CaptureFixture[str]) -> None:
    assert main(["calibrate", "--target", "local:", "--profile", "raspberry-pi-4"]) == 0
    text = capfd.readouterr().out
    assert "litert 2.3, int8: 30 measurements, within 5.0 % on models it was not fitted to" in text


def test_without_what_exports_models_it_says_what_to_install_before_a_device_is_asked(
    asked: Recorder, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(extras, "find_spec", lambda name: None)
    error = document(capfd, "calibrate", "--target", "local:", status=2)["error"]
    assert "pip install 'edgewright[build]'" in error["message"]
    assert asked.options == {}
