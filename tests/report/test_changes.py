"""The history, comparisons and decisions on a terminal: a stranger's words are text, what is unknown is a dash."""

from typing import Any

import pytest
from rich.console import Console, RenderableType

from edgewright.report.changes import comparison_report, decision_report, entries_report
from edgewright.report.compare import compare
from edgewright.report.gate import Decision, Finding
from edgewright.report.measured import measured_of
from edgewright.store.history import HistoryEntry
from tests.report.documents import MACHINE, bench

HOSTILE = "[bold red]evil[/bold red]"


def shown(report: RenderableType, width: int = 100) -> str:
    console = Console(width=width)
    with console.capture() as captured:
        console.print(report)
    return captured.get()


def entry(**changes: Any) -> HistoryEntry:
    known = {
        "id": 7, "created": "2026-11-23T10:20:30+00:00", "kind": "measurement", "name": "demo", "profile": None,
        "target": "ssh://pi@board", "runtime": "litert", "clock": "wall", "sha256": "ab", "commit": "0123456789abcdef",
        "p50_ms": 12.3456, "peak_rss_bytes": 1, "artifact_bytes": 2_340_000, "score": 0.9125, "stable": True,
    }  # fmt: skip
    return HistoryEntry(**{**known, **changes})


def test_an_entry_has_its_time_figures_and_the_beginning_of_its_commit() -> None:
    row = " ".join(shown(entries_report([entry()])).split())
    for cell in ("7 11-23 10:20 demo litert ssh://pi@board 12.3 2.34 0.912 0123456",):
        assert cell in row


def test_a_latency_that_was_not_stable_has_a_question_mark() -> None:
    assert "12.3?" in shown(entries_report([entry(stable=False)]))
    assert "12.3?" not in shown(entries_report([entry()]))


def test_a_build_is_told_as_built_and_what_is_not_known_as_a_dash() -> None:
    unknown = dict.fromkeys(("target", "runtime", "commit", "p50_ms", "artifact_bytes", "score"))
    text = shown(entries_report([entry(kind="build", **unknown)]))
    assert "built" in text
    assert text.count("–") == 5


def test_names_from_documents_are_no_markup_and_an_empty_history_is_no_fault() -> None:
    assert HOSTILE in shown(entries_report([entry(name=HOSTILE)]), width=200)
    assert "bundle" in shown(entries_report([]))


def test_a_comparison_names_what_it_was_forced_past_and_its_interval() -> None:
    before, after = (
        measured_of(bench(), "before"),
        measured_of(bench(slower=1.5, machine=MACHINE | {"board": HOSTILE}), "after"),
    )
    text = shown(comparison_report(compare(before, after)), width=200)
    assert "compared by force: " in text
    assert HOSTILE in text
    assert "+50" in text
    assert " to +" in text


@pytest.mark.parametrize(
    ("outcome", "verdict"),
    [("passed", "gate passed"), ("unsure", "gate passed"), ("failed", "gate failed"), ("unknown", "gate failed")],
)
def test_a_decision_tells_each_limit_and_the_verdict(outcome: Any, verdict: str) -> None:
    comparison = compare(measured_of(bench(), "before"), measured_of(bench(), "after"))
    findings = (Finding(name="latency", outcome=outcome, sentence=f"it is {HOSTILE}"),)
    text = shown(decision_report(Decision(comparison=comparison, findings=findings)))
    assert f"{outcome}: it is {HOSTILE}" in text
    assert text.rstrip().endswith(verdict)
