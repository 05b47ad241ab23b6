"""Every table of a benchmark says on which machine it was printed, what else ran there, and what was marked."""

import ast
import json
from argparse import Namespace
from pathlib import Path
from typing import Any

import pytest

from tests.benchmarks import compression, demo
from tests.benchmarks.machine import Watch, marks_in, sentence, shown

BENCHMARKS = Path(__file__).parents[1] / "benchmarks"
FACTS = {
    "cpu_model": "AMD EPYC",
    "cores": 2,
    "load_1min": 0.5,
    "cpu_quota_cores": None,
    "cpu_held_back": {"periods": 10, "throttled": 1},
}
BUSY = "other programs kept 1.30 cores busy while it was measured"


def with_a_main() -> list[Path]:
    return [each for each in sorted(BENCHMARKS.glob("*.py")) if "def main()" in each.read_text(encoding="utf-8")]


@pytest.mark.parametrize("file", with_a_main(), ids=lambda each: each.stem)
def test_a_benchmark_prints_through_the_one_that_names_the_machine(file: Path) -> None:
    (main,) = (
        each
        for each in ast.parse(file.read_text(encoding="utf-8")).body
        if isinstance(each, ast.FunctionDef) and each.name == "main"
    )
    called = [each.func.id for each in ast.walk(main) if isinstance(each, ast.Call) and isinstance(each.func, ast.Name)]
    assert "print" not in called
    assert "shown" in called


def test_there_are_as_many_benchmarks_as_are_looked_at() -> None:
    assert {"demo", "compression", "quantisation", "precision"} <= {each.stem for each in with_a_main()}


def test_the_line_has_load_others_steal_marks_processor_commit_and_date() -> None:
    told = Watch(lambda: FACTS).told({"artifacts": [{"latency": {"marks": [BUSY]}}]})
    line = sentence(told)
    for part in ("on AMD EPYC, 2 cores", "load 0.50 → 0.50", "other programs kept", f"marked: {BUSY}."):
        assert part in line, part
    assert told["commit"] != "no commit"
    assert told["commit"] in line
    assert told["date"][:10] in line
    assert json.loads(json.dumps(told)) == told


def test_where_nothing_was_marked_that_is_said_and_so_is_a_quota() -> None:
    assert "nothing was marked." in sentence(Watch(lambda: FACTS).told({}))
    tight = [FACTS, {**FACTS, "cpu_quota_cores": 0.5, "cpu_held_back": {"periods": 59, "throttled": 38}}]
    line = sentence(Watch(lambda: tight.pop(0)).told([]))
    assert "of which a quota lets it have 0.5" in line
    assert "the quota was used up in 37 periods" in line


def test_marks_are_found_wherever_a_measurement_left_them() -> None:
    found = [{"a": {"reasons": ["one"]}}, {"marks": ("two", "one"), "b": [[{"marks": ["three"]}]]}, "marks"]
    assert list(marks_in(found)) == ["one", "two", "one", "three"]


@pytest.mark.parametrize("found", [{"x": 1}, [{"x": 1}]])
def test_a_document_has_the_machine_beside_what_was_found(found: Any, capsys: pytest.CaptureFixture[str]) -> None:
    shown(Namespace(json=True, watch=Watch(lambda: FACTS)), found, str)
    assert json.loads(capsys.readouterr().out)["machine"]["processor"] == "AMD EPYC"
    shown(Namespace(json=False, watch=Watch(lambda: FACTS)), found, lambda _: "a table\n")
    assert capsys.readouterr().out.startswith("a table\n\nPrinted ")


def times(speedup: float | None, marks: list[str]) -> dict[str, Any]:
    return {"teacher_ms": 6.0, "int8_ms": 0.5, "speedup": speedup, "marks": marks}


def figures(**changes: Any) -> dict[str, Any]:
    """As `demo.figures` gives them, of one runtime."""
    artifact = {
        "runtime": "executorch",
        "bytes": 5_800_000,
        "smaller": 15.6,
        "score": 0.377,
        "kept_percent": 97.6,
        "peak_rss_bytes": 18_000_000,
        "predicted": {"value": 4.1, "low": 1.5, "high": 11.0, "source": "by a table"},
        "latency": {"questions": times(11.7, []), "answers": times(None, [BUSY])},
    }
    return {
        "metric": "mean reciprocal rank",
        "held_out": 1559,
        "mean_tokens": {"questions": 15.0, "answers": 53.0},
        "core": "Cortex-A72",
        "processor": "AMD EPYC",
        "teacher": {"score": 0.387, "bytes": 90_900_000},
        "baseline": {"name": "TF-IDF", "score": 0.302},
        "artifacts": [artifact],
        **changes,
    }


def test_the_demo_puts_the_core_it_is_for_first_and_stars_what_is_marked() -> None:
    predicted = demo.table(figures())
    assert "Cortex-A72 predicted (× float teacher) | questions on AMD EPYC" in predicted
    assert "| 4.1× (1.5 to 11) | 0.50 (11.7×) | 0.50 (–*) |" in predicted
    there = {
        "teacher_instruction_ms": 152.9,
        "p50_instruction_ms": 36.5,
        "speedup": 152.9 / 36.5,
        "peak_rss_bytes": 13_500_000,
        "cosine_min": 0.9989,
    }
    clocked = demo.table(figures(board={"boot_and_shutdown_s": 4.4, "artifacts": {"executorch": there}}))
    assert "Cortex-A72 by instruction clock, ms (× float teacher)" in clocked
    assert "| 36.5 (4.2×) | 0.50 (11.7×) | 0.50 (–*) |" in clocked
    assert "carry over to no other processor" in clocked
    heads, rows = clocked.splitlines()[0], clocked.splitlines()[2:5]
    assert {each.count("|") for each in rows} == {heads.count("|")}


def test_the_compression_table_does_so_too() -> None:
    row = {
        "recipe": "packages",
        "way": compression.OURS,
        "fidelity": None,
        "trained_s": 720.0,
        "goals": compression.GOALS["packages"],
        **figures(),
    }
    text = compression.table({"classes": [row]})
    assert "speed on Cortex-A72, predicted | on AMD EPYC | there on long texts" in text
    assert "| 4.1× (1.5 to 11) | 11.7× (goal 40) | –* |" in text
    lines = [each for each in text.splitlines() if each.startswith("|")]
    assert len({each.count("|") for each in lines}) == 1
