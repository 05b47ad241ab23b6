"""What `bench` tells is learned from only where it can be trusted."""

from pathlib import Path
from typing import Any

import pytest

from edgewright.cost.corrections import correction_for
from edgewright.forecast.prediction import learn_from


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
