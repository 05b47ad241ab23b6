"""Corrections: what `bench` measured moves the next prediction of the same prices, and of no others."""

import math

import pytest

from toolchain.errors import InvalidFileError
from toolchain.hardware.calibrated import FACTS, prices_for
from toolchain.hardware.corrections import KEPT, MOST, Correction, Seen, correction_for, learn
from toolchain.hardware.pricing import Corrected, Roofline
from toolchain.places import data_dir
from toolchain.profiles import load_profile

BOARD = "raspberry-pi-4"


@pytest.fixture(autouse=True)
def own_data(tmp_path: object, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EDGEWRIGHT_DATA_DIR", str(tmp_path))


def seen(measured_ms: float, **changes: object) -> Seen:
    asked = {"runtime": "executorch", "runtime_version": "1.5.1", "basis": FACTS, "sha256": "a", "length": 16}
    return Seen(**{**asked, "threads": 1, "predicted_ms": 10.0, "measured_ms": measured_ms, **changes})  # type: ignore[arg-type]


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


def test_the_next_prediction_uses_it_and_can_be_asked_without() -> None:
    profile = load_profile(BOARD)
    learn(BOARD, "wall", seen(14.4))
    corrected = prices_for(profile, runtime="executorch", precision="int8", version="1.5.1")
    assert isinstance(corrected, Corrected)
    assert corrected.source.endswith("times 1.20 by 1 measurement since")
    bare = prices_for(profile, runtime="executorch", precision="int8", version="1.5.1", corrected=False)
    assert isinstance(bare, Roofline)
    assert isinstance(prices_for(profile, runtime="executorch", precision="float"), Roofline)


def test_a_damaged_file_is_told_with_its_faults() -> None:
    (data_dir("corrections") / f"{BOARD}.json").write_text('{"seen": [{}]}', encoding="utf-8")
    with pytest.raises(InvalidFileError, match=r"seen\[0\]\.runtime|seen.*runtime"):
        found()
