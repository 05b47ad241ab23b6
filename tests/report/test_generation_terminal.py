"""How text is written is shown by length of prompt and by context; of an emulated board instructions alone."""

from typing import Any

from rich.console import Console

from edgewright.base.fields import Fields
from edgewright.measure.generation_measurement import Bandwidth
from edgewright.report.bench_terminal import bench_report
from edgewright.report.generation_terminal import memory_sentence
from tests.measure.generation_examples import generation_measurement


def document(**changes: Any) -> dict[str, Any]:
    return {
        "bundle": "build/docstrings",
        **generation_measurement(**changes).document(),
        "parity": {"passed": True, "cosine_min": 0.999},
        "budget": {"met": True, "missed": [], "undecided": []},
    }


def shown(values: dict[str, Any], width: int = 160) -> list[list[str]]:
    console = Console(width=width, record=True, file=None)
    with console.capture() as captured:
        console.print(bench_report(values))
    return [line.split() for line in captured.get().splitlines()]


def row(lines: list[list[str]], first: str) -> list[str]:
    return next(line for line in lines if line and line[0] == first)


def test_first_tokens_and_tokens_a_second_are_shown_with_their_intervals() -> None:
    lines = shown(document())
    assert row(lines, "4")[1:3] == ["10", "10.1"]
    assert row(lines, "32")[1] == "80"
    assert row(lines, "32")[-1] == "500"  # prefill
    assert row(lines, "20")[1] == "100"
    assert row(lines, "64")[1] == "50"
    text = " ".join(word for line in lines for word in line)
    assert "judged by 80 ms to a first token after a prompt of 32 tokens, and by 50 tokens/s" in text
    assert "a token p50 / p90 / p99" in text
    assert "examples a second" not in text
    assert "memory at the end 2.25 MB anonymous, 6.75 MB of files; the runner alone has 4.00 MB" in text


def test_an_emulated_board_has_instructions_and_neither_rates_nor_budgets_of_time() -> None:
    lines = shown(document(clock="instructions", emulated=True))
    assert row(lines, "20")[1:] == ["5", "M"]
    assert row(lines, "64")[1:] == ["10", "M"]
    assert row(lines, "32")[1:] == ["40", "M", "1", "M"]
    text = " ".join(word for line in lines for word in line)
    assert "tokens/s" not in text
    assert "these are not a board's milliseconds" in text


def test_the_share_of_the_bandwidth_is_told_with_its_source_where_it_is_known() -> None:
    bare = memory_sentence(Fields(document()["generation"]))
    assert bare.startswith("The cache of 64 tokens takes 0.00 MB; a token reads up to 40.00 MB of weights and cache.")
    known = memory_sentence(Fields(document(bandwidth=Bandwidth(copy_gb_s=8, source="measured there"))["generation"]))
    assert "at most 50 % of the 8 GB/s that one core copies (measured there)" in known
    cached = memory_sentence(Fields(document(bandwidth=Bandwidth(copy_gb_s=2, source="measured there"))["generation"]))
    assert "at most 200 % of the 2 GB/s that one core copies (measured there); so the processor's caches" in cached


def test_what_was_expected_of_both_stands_beside_what_was_measured() -> None:
    measured = document()
    assert measured["generation"]["typical_prompt_tokens"] == 32
    first = [
        {"prompt_tokens": 16, "first_token_ms": 1.0, "low_ms": 0.5, "high_ms": 2.0},
        {"prompt_tokens": 32, "first_token_ms": 100.0, "low_ms": 50.0, "high_ms": 200.0},
    ]
    rates = [
        {"context": context, "tokens_per_second": rate, "low_tokens_per_second": 20.0, "high_tokens_per_second": 80.0}
        for context, rate in ((32, 80.0), (64, 40.0))
    ]
    predicted = {"source": "facts", "latency_ms": 25.0, "writing": {"first_tokens": first, "rates": rates}}
    text = "\n".join(" ".join(line) for line in shown({**measured, "predicted": predicted}))
    assert "predicted first token 100 (50 to 200) ms after 32 tokens; measured -20 %" in text
    assert "predicted tokens/s 40 (20 to 80); measured +25 %; from facts" in text
    assert "predicted p50" not in text
    assert "predicted" not in "\n".join(" ".join(line) for line in shown(measured))
    counted = document(clock="instructions", emulated=True)
    predicted = {**predicted, "low_ms": 20.0, "high_ms": 30.0}
    assert "predicted p50 25 ms (20 to 30); measured" in "\n".join(
        " ".join(line) for line in shown({**counted, "predicted": predicted})
    )
