"""Two measurements side by side: how sure a difference is, and what must not be compared."""

import copy
from typing import Any

import pytest
from rich.console import Console

from edgewright.report.changes import comparison_report
from edgewright.report.compare import Comparison, compare
from edgewright.report.measured import measured_of
from tests.report.documents import MACHINE, bench

OPERATORS = {
    "rows": [
        {"name": "linear", "delegated": True, "calls": 6, "ms": 1.0, "share": 0.5},
        {"name": "layer_norm", "delegated": False, "calls": 3, "ms": 0.4, "share": 0.2},
    ]
}


def compared(before: dict[str, Any], after: dict[str, Any]) -> Comparison:
    return compare(measured_of(before, "before"), measured_of(after, "after"))


def test_the_same_measurement_twice_has_no_difference_and_no_obstacle() -> None:
    found = compared(bench(), bench())
    assert found.obstacles == ()
    assert [each.change_percent for each in found.differences] == [0, 0, 0]
    assert found.score_change == 0


def test_a_slowdown_has_an_interval_that_the_spread_of_inputs_does_not_widen() -> None:
    counted, timed = (
        compared(bench(clock=clock), bench(clock=clock, slower=1.03, seed=1)).latency
        for clock in ("instructions", "wall")
    )
    assert counted is not None
    assert timed is not None
    assert 2 < counted.low_percent < 3 < counted.high_percent < 4
    # By the wall's clock measurements differ by what neither of them shows.
    assert 0 < timed.low_percent < counted.low_percent - 1.9
    assert counted.high_percent + 1.9 < timed.high_percent < 6.5


def test_memory_size_and_score_are_compared_as_they_are() -> None:
    after = bench(peak_rss_bytes=19_800_000, score=0.907)
    after["artifact"]["bytes"] = 4_000_000
    found = compared(bench(), after)
    assert [round(each.change_percent, 3) for each in found.differences[1:]] == [10, -20]
    assert found.score_change == pytest.approx(-0.5)


def test_scores_of_other_metrics_are_not_compared() -> None:
    assert compared(bench(), bench(metric="mean reciprocal rank")).score_change is None
    assert compared(bench(), bench(score=None)).score_change is None


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"clock": "instructions"}, "other clocks: wall and instructions"),
        ({"threads": 4}, "other numbers of threads: 1 and 4"),
        ({"batch": 8}, "other batches: 1 and 8"),
        ({"input_lengths": [1, 2, 3, 4]}, "other inputs"),
        ({"machine": {**MACHINE, "cpu_model": "Cortex-A76"}}, "other machines: cpu_model is Cortex-A72 and Cortex-A76"),
        (
            {"stable": False, "reasons": ["the board was throttled"]},
            "the second is not stable: the board was throttled",
        ),
        ({"artifact": {**bench()["artifact"], "runtime_version": "1.6.0"}}, "executorch 1.5.1 and executorch 1.6.0"),
    ],
)
def test_what_must_not_be_compared_is_told(changes: dict[str, Any], said: str) -> None:
    (obstacle,) = compared(bench(), bench(**changes)).obstacles
    assert said in obstacle


def test_a_fact_that_one_machine_does_not_tell_is_no_obstacle() -> None:
    assert compared(bench(), bench(machine={"arch": "aarch64", "board": None})).obstacles == ()


def test_where_operators_were_timed_the_largest_change_comes_first() -> None:
    after = copy.deepcopy(OPERATORS)
    after["rows"][1]["ms"] = 0.9
    after["rows"].append({"name": "gelu", "delegated": True, "calls": 3, "ms": 0.1, "share": 0.1})
    found = compared(bench(operators=OPERATORS), bench(operators=after)).operators
    assert [(each.name, each.before_ms, each.after_ms) for each in found] == [
        ("layer_norm", 0.4, 0.9),
        ("gelu", 0, 0.1),
        ("linear", 1, 1),
    ]
    assert compared(bench(operators=OPERATORS), bench()).operators == ()


def test_a_measurement_without_samples_or_input_lengths_is_compared_as_far_as_it_goes() -> None:
    silent = bench(latency_ms={"samples": []}, runs=[0])
    assert compared(silent, bench()).latency is None
    earlier = bench()
    del earlier["input_lengths"]
    latency = compared(earlier, bench(slower=1.5)).latency
    assert latency is not None
    assert latency.change_percent == pytest.approx(50, abs=20)


def test_the_report_shows_hostile_names_as_text() -> None:
    name = "[red]x[/red] [link=http://x]"
    rows = {"rows": [{"name": name, "delegated": True, "ms": 1.0}]}
    console = Console(width=200, record=True)
    console.print(comparison_report(compared(bench(operators=rows), bench(operators=rows, stable=False))))
    shown = console.export_text()
    assert name in shown
    assert "compared by force: the second is not stable" in shown
    assert "latency" in shown
