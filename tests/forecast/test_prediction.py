"""A bundle is predicted for each runtime that has prices, on texts as long as its own, and held to its budget."""

from pathlib import Path
from typing import Any

import pytest

from edgewright.bundles.bundle import Bundle, write
from edgewright.cost.nominal_prices import Roofline
from edgewright.errors import InputError
from edgewright.forecast import prediction
from edgewright.forecast.predicted import Predicted
from edgewright.forecast.prediction import peak_memory, predictions
from edgewright.specs.budget import Budget
from edgewright.specs.profiles import load_profile
from edgewright.specs.structure import Operator, Structure
from tests.bundles import made

BOARD = load_profile("raspberry-pi-4")
TOKENS = (0, 1)


def structure(weights: int = 100_000) -> Structure:
    linear = Operator(kind="linear", sizes=((TOKENS,), ((256, 0),), ((256, 0),)), count=4)
    return Structure(
        operators=(linear,),
        live=((TOKENS, (256, 0)),),
        table_weights=50_000,
        table_rows=500,
        matrix_weights=weights,
        other_weights=1_000,
    )


def bundle(place: Path, found: Structure | None = None, **changes: Any) -> Bundle:
    """A bundle of a few bytes that says what it computes; its one example has two tokens."""

    def manifest(hashes: dict[str, str]) -> Any:
        usual = made.manifest(hashes)
        artifacts = tuple(each.model_copy(update={"structure": found or structure()}) for each in usual.artifacts)
        return usual.model_copy(update={"artifacts": artifacts, "budget": Budget(), **changes})

    return write(place / "bundle", manifest, made.fill)


def only(subject: Any, **how: Any) -> Predicted:
    (found,) = predictions(subject, BOARD, runtime="executorch", **how)
    return found


def test_each_artifact_is_predicted_from_the_bundle_or_where_it_lies(tmp_path: Path) -> None:
    opened = bundle(tmp_path)
    found = predictions(opened, BOARD)
    assert [each.runtime for each in found] == ["executorch", "litert"]
    assert [each.document() for each in predictions(opened.path, BOARD)] == [each.document() for each in found]
    assert {(each.profile, each.precision, each.clock, each.length) for each in found} == {
        ("raspberry-pi-4", "int8", "wall", 2)
    }


def test_longer_texts_and_float_take_longer(tmp_path: Path) -> None:
    opened = bundle(tmp_path)
    short, long = only(opened), only(opened, length=64)
    assert (short.length, long.length) == (2, 64)
    assert long.prediction.latency_ms > 2 * short.prediction.latency_ms
    assert only(opened, length=64, precision="float").prediction.latency_ms > long.prediction.latency_ms


def test_the_budget_is_held_to_what_was_predicted(tmp_path: Path) -> None:
    tight = bundle(tmp_path / "tight", budget=Budget(latency_ms=1e-6))
    loose = bundle(tmp_path / "loose", budget=Budget(latency_ms=1e6))
    assert not only(tight).verdict.met
    assert only(loose).verdict.met
    assert "latency_ms" in only(tight).document()["budget"]["missed"][0]["sentence"]


def test_by_the_instruction_clock_there_is_no_roof_and_no_verdict_on_the_latency(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tight = bundle(tmp_path, budget=Budget(latency_ms=1e-6))
    assert only(tight).roof is not None
    with pytest.raises(InputError, match="edgewright calibrate --target emulated://raspberry-pi-4"):
        only(tight, clock="instructions")
    monkeypatch.setattr(prediction, "prices_for", lambda profile, **_: Roofline(profile=profile, precision="int8"))
    counted = only(tight, clock="instructions")
    assert counted.roof is None
    assert counted.document()["roof"] is None
    assert "latency_ms" in counted.verdict.undecided


def test_what_does_not_fit_into_the_devices_memory_is_noted(tmp_path: Path) -> None:
    large = only(bundle(tmp_path, structure(weights=20_000_000_000)), precision="float")
    assert any("do not fit into what the device has" in note for note in large.prediction.notes)
    assert not large.verdict.met  # by what the profile leaves a model
    assert "MB that the device has" in peak_memory(large, BOARD)


def test_a_runtime_that_the_bundle_lacks_is_told_with_those_it_has(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="has nothing for onnx; it has executorch, litert"):
        predictions(bundle(tmp_path), BOARD, runtime="onnx")


def test_a_bundle_that_does_not_say_what_it_computes_is_to_be_built_again(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="it was built before that was kept; build it again"):
        predictions(write(tmp_path / "old", made.manifest, made.fill), BOARD)
