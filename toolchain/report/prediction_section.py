"""The part of a page that tells a prediction.

In:  one of what `edgewright predict --json` tells.
Out: a `PageSection`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from edgewright.report import measurement_figures
from edgewright.report.sections import Cells, PageSection, TextTable, megabytes

PredictionDocument = Mapping[str, Any]
"""One of what `edgewright predict --json` tells."""


def prediction_section(found: PredictionDocument, *, pictures: bool) -> PageSection:
    """Latency and memory, what limits them, and the budget."""
    of = f", {found['length']} tokens" if found["length"] else ""
    threads = f"{found['threads']} thread{'s' if found['threads'] > 1 else ''}"
    latency_ms = found["latency_ms"]

    def rows(parts: Mapping[str, float]) -> tuple[Cells, ...]:
        ordered = sorted(parts.items(), key=lambda each: -each[1])
        return tuple((name, f"{ms:.3g}", f"{100 * ms / latency_ms:.0f} %") for name, ms in ordered if ms)

    memory = found["peak_memory_bytes"]
    return PageSection(
        title=f"Predicted: {found['runtime']} {found['precision']} on {found['profile']}{of}, {threads}",
        sentences=(
            f"{latency_ms:.3g} ms ({found['low_ms']:.3g} to {found['high_ms']:.3g}), limited by {found['limited_by']}; "
            f"peak memory {megabytes(memory)} (up to {megabytes(round(memory * (1 + found['memory_spread'])))}). "
            f"By {found['source']}.",
            *found["notes"],
            *(miss["sentence"] for miss in found["budget"]["missed"]),
        ),
        tables=(
            TextTable(heads=("limited by", "ms", "share"), rows=rows(found["by_limit"])),
            TextTable(heads=("operators", "ms", "share"), rows=rows(found["by_kind"])),
        ),
        pictures=(measurement_figures.roofline(found),) if pictures and found.get("roof") else (),
    )
