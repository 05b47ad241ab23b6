"""What several reports on a terminal end with."""

import pytest

from edgewright.base.fields import Fields
from edgewright.report.bench_terminal import bench_report
from edgewright.report.judged_cells import CLOCK_NOTES, parity
from tests.report.documents import bench
from tests.report.test_terminal import shown


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


def test_the_parity_of_what_generates_is_its_divergence_and_its_greedy_tokens_or_what_is_wrong() -> None:
    generation = {"kl_nats": 0.01234, "greedy_agreement": 0.971, "faults": []}
    found = {"passed": True, "cosine_min": 0.5, "generation": generation}
    assert parity(Fields.of(found)) == "agree, 0.0123 nats a token, 97.1 % of greedy tokens"
    wrong = {"passed": False, "cosine_min": 1.0, "generation": {**generation, "faults": ["its state does not reset"]}}
    assert parity(Fields.of(wrong)) == "DIFFER, its state does not reset"
    assert parity(Fields.of({"passed": True, "cosine_min": 0.99})) == "agree, cosine ≥ 0.99"
