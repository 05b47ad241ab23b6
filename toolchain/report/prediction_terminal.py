"""Predictions and advice on a terminal.

In:  the documents `predict` and `advise` give with --json.
Out: renderables of rich.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from rich.console import Group, RenderableType
from rich.text import Text

from edgewright.report.judged_cells import CLOCK_NOTES, rounded, verdict
from edgewright.report.table_cells import facts as _facts
from edgewright.report.table_cells import megabytes as _megabytes
from edgewright.report.table_cells import table as _table

SHOWN_KINDS = 4


def prediction_report(found: Sequence[Mapping[str, Any]]) -> RenderableType:
    """What is to be expected on a device: of each runtime latency, what limits it, memory, and the budget."""
    parts: list[RenderableType] = []
    for row in found:
        of = f", {row['length']} tokens" if row["length"] else ""
        title = f"{row['runtime']} {row['precision']} on {row['profile']}{of}, {row['threads']} thread"
        title += "s" if row["threads"] > 1 else ""
        shares = sorted(row["by_limit"].items(), key=lambda each: -each[1])
        kinds = sorted(row["by_kind"].items(), key=lambda each: -each[1])[:SHOWN_KINDS]
        memory, spread = row["peak_memory_bytes"], row["memory_spread"]
        parts += [
            Text(title, style="bold"),
            _facts(
                ("latency", interval(row)),
                ("limited by", ", ".join(f"{name} {_share(ms, row)}" for name, ms in shares)),
                ("most of it", ", ".join(f"{name} {_share(ms, row)}" for name, ms in kinds)),
                ("peak memory", f"{_megabytes(memory)} (up to {_megabytes(memory * (1 + spread))})"),
                ("from", row["source"]),
            ),
            *(Text(note, style="yellow") for note in row["notes"]),
            *([Text(CLOCK_NOTES["instructions"], style="yellow")] if row["clock"] == "instructions" else []),
            verdict(row["budget"]),
        ]
    return Group(*parts)


def advice_report(found: Sequence[Mapping[str, Any]]) -> RenderableType:
    """What limits each artifact, what would change that, and what int8 does there."""
    parts: list[RenderableType] = []
    for row in found:
        parts += [Text(f"{row['runtime']} {row['precision']} on {row['profile']}", style="bold")]
        parts += [Text(sentence) for sentence in row["limits"]]
        if row["changes"]:
            table = _table("faster", "ms", "change", "how", "in return")
            for each in row["changes"]:
                cells = (
                    f"{each['faster']:.2f}×",
                    rounded(each["latency_ms"]),
                    each["what"],
                    each["how"],
                    each["costs"],
                )
                table.add_row(*map(Text, cells))
            parts += [table, Text("Each by itself: two together buy less than their sum.", style="dim")]
        parts += [Text(f"Buys nothing here: {sentence}.") for sentence in row["no_changes"]]
        parts += [Text(sentence) for sentence in row["int8"]["sentences"]]
        parts += [Text(note, style="yellow") for note in row["notes"]]
    return Group(*parts)


def interval(predicted: Mapping[str, Any]) -> str:
    """A latency, and what it lies between in nine cases of ten."""
    low, high = (rounded(predicted[name]) for name in ("low_ms", "high_ms"))
    return f"{rounded(predicted['latency_ms'])} ms ({low} to {high})"


def _share(ms: float, row: Mapping[str, Any]) -> str:
    return f"{100 * ms / row['latency_ms']:.0f} %"
