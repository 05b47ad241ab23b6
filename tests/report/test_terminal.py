"""Results as tables: figures with their units, what is unknown as a dash, no word of a device as markup."""

import json
from typing import Any

import pytest
from rich.console import Console, RenderableType

from edgewright.report.bench_terminal import bench_report
from edgewright.report.judged_cells import CLOCK_NOTES
from edgewright.report.prediction_terminal import prediction_report
from edgewright.report.terminal import compression_report, names_report, profile_report
from edgewright.specs.profiles import load_profile
from tests.report.documents import bench

HOSTILE = "[bold red]evil[/bold red]"
PREDICTED: dict[str, Any] = {
    "runtime": "executorch", "precision": "int8", "profile": "raspberry-pi-4", "length": 16, "threads": 1,
    "latency_ms": 10.0, "low_ms": 5.0, "high_ms": 20.0, "by_limit": {"memory": 2.5, "arithmetic": 7.5},
    "by_kind": {"linear": 8.0, "softmax": 2.0}, "peak_memory_bytes": 10_000_000, "memory_spread": 0.5,
    "source": "facts", "notes": [f"beware of {HOSTILE}"], "clock": "wall",
    "budget": {"missed": [], "undecided": []},
}  # fmt: skip


def shown(report: RenderableType, width: int = 120) -> str:
    console = Console(width=width)
    with console.capture() as captured:
        console.print(report)
    return captured.get()


def test_a_measurement_has_its_latencies_memory_and_verdict() -> None:
    text = " ".join(shown(bench_report(json.loads(json.dumps(bench())))).split())
    for part in ("build/demo on ssh://pi@raspberrypi.local", "model.pte (executorch, 5.00 MB)", "18.0", "Budget met."):
        assert part in text, part


def test_what_was_expected_stands_beside_what_was_measured() -> None:
    measured = bench()
    measured["latency_ms"]["p50"] = 15.0
    predicted = shown(bench_report(measured | {"predicted": PREDICTED}))
    assert "10 ms (5 to 20); measured +50 %; from facts" in predicted
    unknown = shown(bench_report(measured | {"predicted": {"unknown": f"no profile {HOSTILE}"}}))
    assert f"not known: no profile {HOSTILE}" in unknown


@pytest.mark.parametrize(("clock", "note"), [("instructions", "instructions"), ("wall", "wall"), ("sundial", "wall")])
def test_an_emulated_run_says_so(clock: str, note: str) -> None:
    text = " ".join(shown(bench_report(bench(emulated=True, clock=clock, took_s=3.25)), 200).split())
    assert CLOCK_NOTES[note] in text
    assert "the runner took 3.2 s" in text
    assert "Emulated" not in shown(bench_report(bench()))


def test_a_missed_budget_is_told_with_its_sentence_and_is_the_last_word() -> None:
    missed = {"missed": [{"sentence": "it takes 3 ms, 1 ms over"}], "undecided": ["peak_memory_mb"]}
    text = shown(bench_report(bench(budget=missed)))
    assert "Budget missed: it takes 3 ms, 1 ms over" in text
    assert "Not measured here: peak_memory_mb." in text
    assert "Budget met" not in text


@pytest.mark.parametrize("missed", [[], [{"sentence": "it is too large"}]])
def test_a_method_without_a_network_that_does_as_well_has_the_last_line(missed: list[dict[str, str]]) -> None:
    as_good = {"sentence": "TF-IDF does as well: you need no network"}
    budget = {"missed": missed, "undecided": [], "baseline_at_least_as_good": as_good}
    last = shown(bench_report(bench(budget=budget))).strip().splitlines()[-1]
    assert last == f"Budget {'missed, and' if missed else 'met, but'} TF-IDF does as well: you need no network."


def test_a_prediction_says_what_limits_it_with_shares() -> None:
    text = shown(prediction_report([PREDICTED, PREDICTED | {"threads": 2, "length": 0, "clock": "instructions"}]))
    assert "executorch int8 on raspberry-pi-4, 16 tokens, 1 thread\n" in text.replace(" \n", "\n")
    assert "raspberry-pi-4, 2 threads" in text
    assert "arithmetic 75 %, memory 25 %" in text
    assert "linear 80 %, softmax 20 %" in text
    assert f"beware of {HOSTILE}" in text
    assert text.count("Emulated") == 1


def test_every_fact_of_a_profile_has_its_source() -> None:
    text = shown(profile_report(load_profile("raspberry-pi-4").model_dump(mode="json")), 200)
    assert "processor.cores" in text
    assert "memory.copy_bandwidth_gb_s" in text
    assert "R read in a primary source" in text


def test_stages_of_which_little_is_known_are_shown_all_the_same() -> None:
    rows = [{"stage": HOSTILE, "parameters": 999_600, "macs": 1.5e9}, {"stage": "prune", "measured_ms": {"litert": 2}}]
    text = shown(compression_report({"compression": rows, "vocabulary": {}, "layers": [{"layer": 0, "cosine": 0.9}]}))
    assert HOSTILE in text
    assert "1M" in text
    assert "1.5G" in text
    assert "–" in text
    assert shown(compression_report({})).strip() == ""


@pytest.mark.parametrize(
    ("vocabulary", "told"),
    [
        ({"pieces": 7000, "of": 7000, "held_out_tokens_affected": 0.0}, "all 7,000 pieces stay; 0 % of"),
        ({"pieces": 7000, "of": 30522, "held_out_tokens_affected": 0.0225}, "7,000 of 30,522 pieces stay; 2.25 % of"),
        ({"pieces": 7000}, "7,000 of – pieces stay; – of"),
    ],
)
def test_what_stays_of_a_vocabulary_is_told(vocabulary: dict[str, Any], told: str) -> None:
    assert told in shown(compression_report({"vocabulary": vocabulary}))


def test_a_plain_table_reads_no_markup() -> None:
    assert HOSTILE in shown(names_report(("one", "two"), [(HOSTILE, "b")]))
