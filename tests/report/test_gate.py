"""A gate fails what is surely worse, passes what is not, and says what it cannot tell."""

from typing import Any
from xml.etree import ElementTree

import pytest

from edgewright.report.compare import compare
from edgewright.report.gate import Decision, GateLimits, decide
from edgewright.report.measured import measured_of
from tests.report.documents import bench


def decided(before: dict[str, Any], after: dict[str, Any], **limits: float) -> Decision:
    return decide(compare(measured_of(before, "before"), measured_of(after, "after")), GateLimits(**limits))


def outcomes(decision: Decision) -> dict[str, str]:
    return {each.name: each.outcome for each in decision.findings}


@pytest.mark.parametrize(
    ("clock", "slower", "limit", "outcome"),
    [
        ("instructions", 1.0, 3, "passed"),
        ("instructions", 1.01, 3, "passed"),
        ("instructions", 1.06, 3, "failed"),
        ("instructions", 1.03, 3, "unsure"),
        ("instructions", 0.8, 0.5, "passed"),
        ("wall", 1.0, 3, "passed"),
        ("wall", 1.02, 3, "unsure"),
        ("wall", 1.06, 5, "unsure"),
        ("wall", 1.1, 3, "failed"),
    ],
)
def test_a_slowdown_is_judged_by_its_whole_interval(clock: str, slower: float, limit: float, outcome: str) -> None:
    found = decided(bench(clock=clock), bench(clock=clock, slower=slower), slowdown_percent=limit)
    assert outcomes(found) == {"slowdown": outcome}
    assert found.passed is (outcome != "failed")
    if outcome == "unsure":
        assert "these samples cannot tell" in found.findings[0].sentence


def test_noise_alone_fails_no_gate() -> None:
    for seed in range(1, 40):
        assert decided(bench(seed=0), bench(seed=seed), slowdown_percent=1).passed


def test_a_score_may_lose_so_many_points_and_no_more() -> None:
    assert decided(bench(score=0.9), bench(score=0.896), score_drop=0.5).passed
    lost = decided(bench(score=0.9), bench(score=0.894), score_drop=0.5)
    assert not lost.passed
    assert lost.findings[0].sentence == "The accuracy went from 90.00 to 89.40: -0.60 points; 0.5 may be lost."
    assert decided(bench(score=0.9), bench(score=0.99), score_drop=0).passed


def test_memory_and_size_have_limits_of_their_own() -> None:
    grown = bench(peak_rss_bytes=20_000_000)
    grown["artifact"]["bytes"] += 1
    found = decided(bench(), grown, memory_growth_percent=5, size_growth_percent=1)
    assert outcomes(found) == {"peak memory growth": "failed", "artifact growth": "passed"}


def test_what_was_not_measured_does_not_pass() -> None:
    silent = bench(latency_ms={"samples": []}, runs=[0], score=None)
    found = decided(bench(), silent, slowdown_percent=3, score_drop=1)
    assert outcomes(found) == {"slowdown": "unknown", "score drop": "unknown"}
    assert not found.passed


def test_junit_has_a_case_for_each_limit_and_a_failure_for_each_that_failed() -> None:
    hostile = bench(name='<a&"\x00>', peak_rss_bytes=99_000_000)
    found = decided(bench(), hostile, slowdown_percent=3, memory_growth_percent=5)
    suite = ElementTree.fromstring(found.junit())
    assert (suite.get("tests"), suite.get("failures")) == ("2", "1")
    assert [case.get("name") for case in suite] == ["slowdown", "peak memory growth"]
    assert [len(case.findall("failure")) for case in suite] == [0, 1]
    assert suite[0].get("classname") == 'edgewright.<a&" >'


def test_markdown_is_a_heading_and_a_line_for_each_limit_in_which_names_are_only_text() -> None:
    found = decided(bench(), bench(name="`x` <script>", metric="*m*"), slowdown_percent=3).markdown()
    assert found.startswith("### edgewright gate: passed\n")
    assert "` x  <script>`" in found
    assert found.count("\n- ") == 1
    forced = decided(bench(), bench(stable=False, reasons=["<b>odd</b>"]), slowdown_percent=3).markdown()
    assert "compared by force: the second is not stable: \\<b\\>odd" in forced


def test_the_document_says_what_was_compared() -> None:
    found = decided(bench(), bench(slower=2), slowdown_percent=3).document()
    assert found["passed"] is False
    assert found["comparison"]["before"]["runtime"] == "executorch"
    assert found["findings"][0]["outcome"] == "failed"


def test_a_runtimes_name_is_only_text_in_markdown() -> None:
    hostile = {**bench()["artifact"], "runtime": "<img src=x> [a](http://b) `c` \x1b[2J"}
    found = decided(bench(), bench(artifact=hostile), slowdown_percent=3).markdown()
    assert "(\\<img src=x\\> \\[a\\](http://b) \\`c\\` \\[2J) on" in found


def test_bits_that_rise_are_lost_and_bits_that_fall_are_not() -> None:
    def bits(score: float) -> dict[str, Any]:
        return bench(score=score, metric="bits per byte")

    assert decided(bits(1.55), bits(1.25), score_drop=0).passed
    assert decided(bits(1.55), bits(1.554), score_drop=0.5).passed
    lost = decided(bits(1.55), bits(1.56), score_drop=0.5)
    assert not lost.passed
    assert lost.findings[0].sentence == (
        "The bits per byte went from 155.00 to 156.00: +1.00 points (less is better); 0.5 may be lost."
    )
