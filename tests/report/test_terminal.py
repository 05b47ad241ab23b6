"""What a person reads on a terminal, told from documents."""

from typing import Any

from rich.console import Console

from edgewright.report.terminal import build_report
from tests.cost.test_int8_gain import row


def test_a_build_report_says_it_below_the_artifacts() -> None:
    slow = row(latency_ms=1.5).document()
    summary: dict[str, Any] = {
        "bundle": "build/x",
        "profile": "raspberry-pi-4",
        "teacher": {"score": 0.5},
        "student": {"score": 0.4},
        "artifacts": [],
        "int8": [slow],
        "stages": [],
        "budget": {"missed": []},
        "teacher_notes": ["head taken as it is, its classes matched to the labels by name"],
    }
    console = Console(width=200, record=True)
    console.print(build_report(summary))
    text = console.export_text()
    assert "int8 executorch is slower than the float student" in text
    assert "Teacher: head taken as it is, its classes matched to the labels by name." in text
