"""The part of a page that tells a prediction.

In:  one of what `edgewright predict --json` tells.
Out: a `PageSection`.
"""

from __future__ import annotations

from collections.abc import Mapping

from edgewright.base.fields import Fields
from edgewright.report import measurement_figures
from edgewright.report.judged_cells import rounded
from edgewright.report.prediction_terminal import prediction_title
from edgewright.report.sections import UNKNOWN, Cells, PageSection, TextTable, megabytes
from edgewright.report.table_cells import text

PredictionDocument = Mapping[str, object]
"""One of what `edgewright predict --json` tells."""


def prediction_section(document: PredictionDocument, *, pictures: bool) -> PageSection:
    """Latency and memory, what limits them, and the budget."""
    found = Fields(document)
    return PageSection(
        title=f"Predicted: {prediction_title(found)}",
        sentences=(
            _expected(found),
            *found.texts("notes"),
            *(text(miss, "sentence") for miss in found.inner("budget").rows("missed")),
        ),
        tables=(
            TextTable(heads=("limited by", "ms", "share"), rows=_rows(found, "by_limit")),
            TextTable(heads=("operators", "ms", "share"), rows=_rows(found, "by_kind")),
        ),
        pictures=(measurement_figures.roofline(found),) if pictures and found.inner("roof") else (),
    )


def _expected(found: Fields) -> str:
    latency, low, high = (rounded(found.number(name)) for name in ("latency_ms", "low_ms", "high_ms"))
    memory, spread = found.number("peak_memory_bytes"), found.number("memory_spread")
    most = None if memory is None or spread is None else round(memory * (1 + spread))
    return (
        f"{latency} ms ({low} to {high}), limited by {text(found, 'limited_by')}; "
        f"peak memory {megabytes(memory)} (up to {megabytes(most)}). By {text(found, 'source')}."
    )


def _rows(found: Fields, name: str) -> tuple[Cells, ...]:
    """The parts of a latency, the largest first."""
    latency_ms = found.number("latency_ms")
    ordered = sorted(found.numbers(name).items(), key=lambda each: -each[1])
    return tuple(
        (part, f"{ms:.3g}", f"{100 * ms / latency_ms:.0f} %" if latency_ms else UNKNOWN) for part, ms in ordered if ms
    )
