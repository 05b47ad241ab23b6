"""Documents that were kept: shown where they tell enough, refused with what they lack where they do not."""

from typing import Any

import pytest

from edgewright.errors import InvalidFileError
from edgewright.report.kept_documents import is_build, require_showable
from tests.report.documents import bench

BUILD: dict[str, Any] = {
    "bundle": "build/demo",
    "profile": "raspberry-pi-4",
    "teacher": {"score": 0.9},
    "student": {},
    "artifacts": [{"runtime": "litert", "file": "model.tflite"}],
    "stages": [{"name": "texts", "cached": True, "seconds": 0.1}],
    "budget": {"met": True, "missed": []},
}


@pytest.mark.parametrize("document", [BUILD, bench(), bench(parity=None), {**BUILD, "something": "new"}])
def test_what_tells_enough_is_taken(document: dict[str, Any]) -> None:
    require_showable(document, name="entry 1")


@pytest.mark.parametrize(
    ("document", "lacking"),
    [
        ({}, "bundle"),
        ({"artifacts": 3}, "bundle"),
        ({**BUILD, "artifacts": [{}]}, "artifacts.0.runtime"),
        ({**BUILD, "stages": [{"name": "texts"}]}, "stages.0.cached"),
        ({**BUILD, "budget": {"missed": [{}]}}, "budget.missed.0.sentence"),
        (bench(latency_ms={"p50": 1}), r"latency_ms\.p90"),
        (bench(parity=1), "parity"),
    ],
)
def test_what_lacks_something_is_refused_with_its_place(document: dict[str, Any], lacking: str) -> None:
    with pytest.raises(InvalidFileError, match=f"entry 1 has 1 fault: the document: lacks what .*{lacking}.*--json"):
        require_showable(document, name="entry 1")


def test_a_build_is_told_from_a_measurement_by_its_artifacts() -> None:
    assert is_build(BUILD)
    assert not is_build(bench())
