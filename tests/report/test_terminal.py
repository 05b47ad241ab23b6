"""Results as tables: figures with their units, what is unknown as a dash, no word of a device as markup."""

from typing import Any

import pytest
from rich.console import Console, RenderableType

from edgewright.report.terminal import compression_report, names_report, profile_report
from edgewright.specs.profiles import load_profile

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
