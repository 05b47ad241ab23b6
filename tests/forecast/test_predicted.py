"""What was predicted is told in JSON; of an artifact that generates with how it writes, of another without."""

from pathlib import Path

from edgewright.forecast.prediction import predictions
from edgewright.specs.profiles import load_profile
from tests.forecast import test_prediction, writers

BOARD = load_profile("raspberry-pi-4")


def test_only_an_artifact_that_generates_tells_how_it_writes(tmp_path: Path) -> None:
    (plain, _) = predictions(test_prediction.bundle(tmp_path / "plain"), BOARD)
    (writes, _) = predictions(writers.bundle(tmp_path / "writes"), BOARD)
    assert "writing" not in plain.document()
    assert set(writes.document()) - set(plain.document()) == {"writing"}
    assert writes.document()["latency_ms"] == writes.prediction.latency_ms
