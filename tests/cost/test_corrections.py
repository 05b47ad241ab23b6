"""Corrections: what `bench` measured moves the next prediction of the same prices, and of no others."""

import json
import math
from pathlib import Path

import pytest
from pydantic import ValidationError

from edgewright.base.places import data_dir
from edgewright.cost.corrections import KEPT, MOST, Correction, Observation, correction_for, learn
from edgewright.cost.device_prices import FACTS, Corrected, prices_for
from edgewright.cost.nominal_prices import Roofline
from edgewright.specs.profiles import load_profile

BOARD = "raspberry-pi-4"


@pytest.fixture(autouse=True)
def own_data(tmp_path: object, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EDGEWRIGHT_DATA_DIR", str(tmp_path))


def seen(measured_ms: float, **changes: object) -> Observation:
    asked = {"runtime": "executorch", "runtime_version": "1.5.1", "basis": FACTS, "sha256": "a", "length": 16}
    return Observation(**{**asked, "threads": 1, "predicted_ms": 10.0, "measured_ms": measured_ms, **changes})  # type: ignore[arg-type]


def found(**changes: str) -> Correction | None:
    return correction_for(
        BOARD,
        "wall",
        **{"runtime": "executorch", "version": "1.5.1", "basis": FACTS, **changes},  # type: ignore[arg-type]
    )


def test_without_a_measurement_nothing_is_corrected() -> None:
    assert found() is None


def test_one_measurement_moves_half_way_and_more_that_agree_move_further() -> None:
    learn(BOARD, "wall", seen(14.4))
    first = found()
    assert first is not None
    assert first.factor == pytest.approx(1.2)
    for number in range(8):
        learn(BOARD, "wall", seen(14.4, sha256=f"b{number}"))
    many = found()
    assert many is not None
    assert many.measurements == 9
    assert many.factor == pytest.approx(1.44**0.9)


def test_the_same_artifact_measured_again_replaces_what_was_seen_of_it() -> None:
    learn(BOARD, "wall", seen(30.0))
    learn(BOARD, "wall", seen(10.0))
    assert found() == Correction(factor=1.0, measurements=1)


@pytest.mark.parametrize(
    "other", [{"runtime": "litert"}, {"version": "1.6.0"}, {"basis": "calibrated 2026-11-26T10:00:00+00:00"}]
)
def test_other_runtimes_versions_and_prices_are_not_corrected(other: dict[str, str]) -> None:
    learn(BOARD, "wall", seen(14.4))
    assert found(**other) is None
    assert correction_for(BOARD, "instructions", runtime="executorch", version="1.5.1", basis=FACTS) is None


def test_a_correction_is_bounded_and_only_so_many_are_kept() -> None:
    for number in range(KEPT + 5):
        learn(BOARD, "wall", seen(1e6, sha256=str(number)))
    far = found()
    assert far is not None
    assert (far.factor, far.measurements) == (pytest.approx(MOST), KEPT)
    assert math.isfinite(far.factor)


@pytest.mark.parametrize("ms", [5e-324, 0.0, -1.0, 1e300, float("nan"), float("inf")])
def test_what_no_device_can_have_taken_is_never_learned(ms: float) -> None:
    with pytest.raises(ValidationError):
        seen(ms)


def test_the_next_prediction_uses_it_and_can_be_asked_without() -> None:
    profile = load_profile(BOARD)
    learn(BOARD, "wall", seen(14.4))
    corrected = prices_for(profile, runtime="executorch", precision="int8", version="1.5.1")
    assert isinstance(corrected, Corrected)
    assert corrected.source.endswith("times 1.20 by 1 measurement since")
    bare = prices_for(profile, runtime="executorch", precision="int8", version="1.5.1", corrected=False)
    assert isinstance(bare, Roofline)
    assert isinstance(prices_for(profile, runtime="executorch", precision="float"), Roofline)


def edited(place: int, **changes: object) -> Path:
    """The file, one of whose entries was changed from outside."""
    file = data_dir("corrections") / f"{BOARD}.json"
    document = json.loads(file.read_text())
    document["seen"][place].update(changes)
    file.write_text(json.dumps(document))
    return file


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"measured_ms": 5e-324}, "seen[1].measured_ms"),
        ({"measured_ms": 1e300}, "seen[1].measured_ms"),
        ({"predicted_ms": 0}, "seen[1].predicted_ms"),
        ({"threads": -1}, "seen[1].threads"),
        ({"length": "long"}, "seen[1].length"),
        ({"more": 1}, "seen[1].more"),
    ],
)
def test_an_entry_that_cannot_be_is_set_aside_and_the_others_count(
    changes: dict[str, object], why: str, caplog: pytest.LogCaptureFixture
) -> None:
    for number in range(3):
        learn(BOARD, "wall", seen(14.4, sha256=str(number)))
    file = edited(1, **changes)
    damaged = file.read_bytes()
    kept = found()
    assert kept is not None
    assert (kept.measurements, kept.factor) == (2, pytest.approx(1.44 ** (2 / 3)))
    assert why in caplog.text
    assert f"moved to {file}.set-aside, and its other 2 entries are kept" in caplog.text
    assert Path(f"{file}.set-aside").read_bytes() == damaged
    caplog.clear()
    assert found() == kept
    assert caplog.text == ""


@pytest.mark.parametrize(
    "text", ["", "{", "[]", '{"seen": {}}', '{"seen": [], "schema_version": 9}', "[" * 10_000, "\xff"]
)
def test_a_file_that_is_no_corrections_is_set_aside_and_learning_goes_on(
    text: str, caplog: pytest.LogCaptureFixture
) -> None:
    file = data_dir("corrections") / f"{BOARD}.json"
    for place in (f"{file}.set-aside", f"{file}.set-aside-2"):
        file.write_text(text, encoding="latin-1")
        assert found() is None
        assert f"moved to {place}, and nothing of it is used" in caplog.text
        assert Path(place).is_file()
    learn(BOARD, "wall", seen(14.4))
    assert found() is not None
