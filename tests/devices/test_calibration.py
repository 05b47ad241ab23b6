"""Calibration: what is kept, what goes on after Ctrl-C, and what is refused. Timings are made up, all else is real."""

import json
from pathlib import Path
from typing import Any

import pytest

from edgewright.cost.device_prices import as_measured, file_for, load_calibration, prices_for
from edgewright.cost.fitted_prices import FittedPrices
from edgewright.cost.nominal_prices import Roofline
from edgewright.cost.pricing import predict
from edgewright.cost.terms import Kernels
from edgewright.devices import calibration
from edgewright.devices.calibration import _kept_rows, calibrate
from edgewright.devices.probe_results import ProbeRow
from edgewright.devices.timed_models import BOTH, Probe, Shape
from edgewright.errors import InputError, TargetError
from edgewright.measure.deployment import Deployer
from edgewright.runtimes.wheels import installed_version
from edgewright.specs.profiles import load_profile
from edgewright.specs.structure import SIZES

HOST = load_profile("x86-64")
RATES: dict[Any, tuple[float, ...]] = {
    "linear": (0.004, 0.01, 0.02, 0.01, 0.01, 0.0, 0.0, 0.001, 0.01, 0.02, 0.001, 0.0),
    "matmul": (0.003, 0.02, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.02, 0.0, 0.0),
    "convolution": (0.003, 0.01, 0.0, 0.0, 0.0, 0.0),
    "depthwise": (0.003, 0.02, 0.0),
    "normalisation": (0.002, 0.3, 0.0, 0.3, 0.0),
    "softmax": (0.002, 0.5, 0.0, 0.5, 0.0),
    "embedding": (0.001, 0.1, 0.0),
    "activation": (0.002, 0.4),
    "elementwise": (0.001, 0.1),
    "reduction": (0.001, 0.4, 0.0),
    "permute": (0.001, 0.1, 0.0),
    "transpose": (0.001, 0.1, 0.0, 0.0),
    "slice": (0.001, 0.1, 0.0),
    "bytes": (0.001, 0.1),
}
TRUE = FittedPrices(
    source="made up",
    kernels=Kernels(rows=4, outputs=16),
    base_ms=0.02,
    rates=RATES,
    seen={kind: ((0, 1 << 40),) * len(SIZES[kind]) for kind in RATES},
    spread=0.0,
    parallel_share=0.0,
    memory=(12e6, 1.0, 1.0, 1.0),
    memory_spread=0.0,
)


class Timed:
    """Stands for the runners: `turns` are those that were timed; it may end early, or find the machine hot."""

    def __init__(self) -> None:
        self.turns: list[str] = []
        self.ends_after: int | None = None
        self.version = installed_version("executorch", "test")
        self.copied_gb_s = 12.5

    def __call__(self, machine: Any, turn: Any) -> list[ProbeRow]:
        if self.ends_after is not None and len(self.turns) >= self.ends_after:
            raise KeyboardInterrupt
        self.turns.append(turn.name)
        structure = turn.probe.structure(turn.runtime)
        rows = []
        for length in turn.probe.lengths(turn.runtime):
            said = predict(TRUE, structure, length=length, file_bytes=1e6)
            ms = said.latency_ms * (0.6 if turn.threads > 1 else 1.0)
            found: dict[str, Any] = {"latency_ms": ms, "peak_bytes": said.peak_memory_bytes, "file_bytes": 1_000_000}
            rows.append(ProbeRow(length=length, **found, runtime_version=self.version))
        return rows


@pytest.fixture
def timed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Timed:
    monkeypatch.setenv("EDGEWRIGHT_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setenv("EDGEWRIGHT_HOME", str(tmp_path / "home"))
    made = Timed()
    monkeypatch.setattr(calibration, "PROBES", {"int8": BOTH})
    monkeypatch.setattr(calibration, "_timed", made)
    monkeypatch.setattr(calibration, "copy_bandwidth_gb_s", lambda *_: made.copied_gb_s)
    monkeypatch.setattr(Deployer, "runtime", lambda *_: None)
    monkeypatch.setattr(Probe, "exported", lambda *_: None)
    return made


def test_what_was_measured_is_kept_and_predicts_models_it_never_saw(timed: Timed) -> None:
    made = calibrate("local:", runtimes=("executorch",))
    kept = load_calibration("x86-64")
    assert kept == made
    assert made.profile == "x86-64"
    assert [(each.runtime, each.precision) for each in made.tables] == [("executorch", "int8")]
    prices = prices_for(HOST, runtime="executorch", precision="int8")
    unseen = Probe(name="unseen", model=Shape(width=200, layers=((3, 32, 300), (5, 16, 720))))
    structure = unseen.structure("executorch")
    for length in (5, 20, 50):
        expected = predict(TRUE, structure, length=length).latency_ms
        found = predict(prices, structure, length=length)
        assert found.latency_ms == pytest.approx(expected, rel=0.03)
        assert found.source == "calibrated on local"


def test_how_fast_memory_was_copied_stands_in_place_of_what_the_profile_says(timed: Timed) -> None:
    assert as_measured(HOST) == HOST
    calibrate("local:", runtimes=("executorch",))
    found = as_measured(HOST).memory.copy_bandwidth_gb_s
    assert (found.value, found.confidence) == (12.5, "R")
    assert found.source.startswith("calibrated on local:")
    float_prices = prices_for(HOST, runtime="executorch", precision="float")  # which were not calibrated
    assert isinstance(float_prices, Roofline)
    assert float_prices.profile.memory.copy_bandwidth_gb_s.value == 12.5
    calibrate("local:", runtimes=("litert",))  # whose runner does not say
    assert as_measured(HOST).memory.copy_bandwidth_gb_s.value == 12.5


def test_what_ctrl_c_ended_goes_on_where_it_stopped(timed: Timed) -> None:
    timed.ends_after = 7
    with pytest.raises(KeyboardInterrupt):
        calibrate("local:", runtimes=("executorch",))
    assert load_calibration("x86-64") is None
    first, timed.ends_after = list(timed.turns), None
    calibrate("local:", runtimes=("executorch",))
    assert timed.turns[:7] == first
    assert len(set(timed.turns)) == len(timed.turns)
    calibrate("local:", runtimes=("executorch",))
    assert timed.turns.count(first[0]) == 2  # a finished one is measured anew


def test_prices_of_another_version_are_refused_with_what_renews_them(timed: Timed) -> None:
    timed.version = "0.9.0"
    calibrate("local:", runtimes=("executorch",))
    renewing = (
        r"executorch 0\.9\.0, and it is .* now; renew it by `edgewright calibrate --target local: --profile x86-64`"
    )
    with pytest.raises(InputError, match=renewing):
        prices_for(HOST, runtime="executorch", precision="int8")
    assert prices_for(HOST, runtime="executorch", precision="int8", version="0.9.0").source == "calibrated on local"


def test_where_nothing_was_measured_facts_speak_but_not_of_instructions() -> None:
    assert isinstance(prices_for(HOST, runtime="executorch", precision="int8"), Roofline)
    with pytest.raises(InputError, match=r"run `edgewright calibrate --target emulated://raspberry-pi-4`"):
        prices_for(load_profile("raspberry-pi-4"), runtime="litert", precision="int8", clock="instructions")


def test_prices_of_other_terms_are_refused_and_calibrating_again_replaces_them(timed: Timed) -> None:
    calibrate("local:", runtimes=("executorch",))
    file = file_for("x86-64", "wall")
    file.write_text(file.read_text(encoding="utf-8").replace('"schema_version": 3', '"schema_version": 1'))
    with pytest.raises(InputError, match=r"another version of Edgewright.*renew it by `edgewright calibrate"):
        prices_for(HOST, runtime="executorch", precision="int8")
    calibrate("local:", runtimes=("executorch",))
    assert prices_for(HOST, runtime="executorch", precision="int8").source == "calibrated on local"


def test_a_damaged_calibration_is_set_aside_and_predictions_are_by_facts(caplog: pytest.LogCaptureFixture) -> None:
    file = file_for("x86-64", "wall")
    file.write_text('{"profile": "x86-64"}', encoding="utf-8")
    assert isinstance(prices_for(HOST, runtime="executorch", precision="int8"), Roofline)
    assert "target: Field required" in caplog.text
    assert f"moved to {file}.set-aside, and nothing of it is used" in caplog.text


@pytest.mark.parametrize(
    ("name", "value", "why"),
    [
        ("base_ms", 1e300, "prices beyond 1e+12, which nothing costs"),
        ("parallel_share", 7.0, "threads share 7 of an inference"),
        ("spread", None, "table.spread"),
    ],
)
def test_a_table_that_no_fit_gives_is_set_aside_alone(
    timed: Timed, name: str, value: float | None, why: str, caplog: pytest.LogCaptureFixture
) -> None:
    calibrate("local:", runtimes=("executorch", "litert"))
    file = file_for("x86-64", "wall")
    document = json.loads(file.read_text(encoding="utf-8"))
    document["tables"][0]["table"][name] = value
    file.write_text(json.dumps(document), encoding="utf-8")
    assert isinstance(prices_for(HOST, runtime="executorch", precision="int8"), Roofline)
    assert why in caplog.text
    litert = prices_for(HOST, runtime="litert", precision="int8", version="1.5.1")
    assert litert.source == "calibrated on local"


def test_a_kept_result_that_cannot_be_is_measured_again(tmp_path: Path) -> None:
    file = tmp_path / "row.json"
    row: dict[str, Any] = {
        "length": 8,
        "latency_ms": 1.5,
        "peak_bytes": 1 << 20,
        "file_bytes": 10,
        "runtime_version": "1",
    }
    file.write_text(json.dumps([row]))
    assert _kept_rows(file) == [ProbeRow(**row)]
    for text in (json.dumps([{**row, "latency_ms": 5e-324}]), json.dumps([{}]), "[", "{}"):
        file.write_text(text)
        assert _kept_rows(file) is None


def test_a_device_that_slowed_itself_down_is_not_calibrated() -> None:
    calibration._require_cool({"throttling": {"raw": "0x0"}}, {"throttling": {"raw": "0x0"}})
    with pytest.raises(TargetError, match=r"was throttled while it was measured.* what was measured before is kept"):
        calibration._require_cool({"throttling": {"raw": "0x0"}}, {"throttling": {"raw": "0x4"}})
