"""What is predicted of: an artifact of any length or of fixed ones; and what `bench` tells is learned from only where
it can be trusted."""

from pathlib import Path
from typing import Any

import pytest

from edgewright.cost.corrections import correction_for
from edgewright.cost.expected import PricedArtifact, learn_from
from edgewright.specs.structure import Structure

NOTHING = Structure(operators=(), live=(), table_weights=0, table_rows=0, matrix_weights=0, other_weights=0)


def subject(*lengths: int) -> PricedArtifact:
    return PricedArtifact(runtime="litert", structure=NOTHING, lengths=lengths, file_bytes=None, planned_length=None)


def test_a_text_is_run_in_the_smallest_shape_that_holds_it_and_each_shape_counts_once() -> None:
    fixed = subject(16, 32, 64)
    assert [fixed.run_length(length) for length in (3, 16, 17, 64)] == [16, 16, 32, 64]
    assert fixed.shapes((3, 9, 16)) == 1
    assert fixed.shapes((3, 20, 60, 64)) == 3


def test_a_runtime_that_takes_any_length_has_one_shape() -> None:
    assert subject().run_length(11) == 11
    assert subject().shapes((3, 20, 60)) == 1


@pytest.fixture(autouse=True)
def own_data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EDGEWRIGHT_DATA_DIR", str(tmp_path))


def summary(**changes: Any) -> dict[str, Any]:
    return {
        "artifact": {"runtime": "executorch", "runtime_version": "1.5.1", "sha256": "a"},
        "clock": "wall",
        "threads": 1,
        "stable": True,
        "latency_ms": {"p50": 14.4},
        "predicted": {"profile": "raspberry-pi-4", "length": 16, "uncorrected_ms": 10.0, "basis": "facts"},
        **changes,
    }


def learned() -> float | None:
    found = correction_for("raspberry-pi-4", "wall", runtime="executorch", version="1.5.1", basis="facts")
    return found.factor if found else None


def test_a_stable_measurement_beside_its_prediction_is_learned_from() -> None:
    assert learn_from(summary())
    assert learned() == pytest.approx(1.2)


@pytest.mark.parametrize(
    "changes",
    [
        {"stable": False},
        {"cores": [4, 5]},
        {"latency_ms": {}},
        {"latency_ms": {"p50": 0.0}},
        {"predicted": {"unknown": "there is no profile my-board"}},
        {"predicted": None},
    ],
)
def test_what_says_nothing_of_a_prediction_is_not(changes: dict[str, Any]) -> None:
    assert not learn_from(summary(**changes))
    assert learned() is None
