"""The part of a page that tells how a student's score went over its training.

In:  a build as its manifest tells it, and the metric.
Out: a `PageSection` of the scores on the validation part; none where no training was validated.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from edgewright.bundles.build_record import BuildRecord
from edgewright.report.drawing import SERIES, new_figure
from edgewright.report.sections import PageSection, TextTable

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

Curve = tuple[str, tuple[tuple[int, float], ...]]
"""A stage, and (tokens or images that it was trained on, score) of each validation."""


def training_section(build: BuildRecord, metric: str, *, pictures: bool) -> PageSection | None:
    """The score on the validation part over what was trained on, stage by stage."""
    curves = tuple(_curves(build))
    if not curves:
        return None
    rows = tuple((stage, f"{seen:,}", f"{score:.4f}") for stage, points in curves for seen, score in points)
    return PageSection(
        title="How training went",
        tables=(TextTable(heads=("stage", "trained on", f"{metric} of the validation part"), rows=rows),),
        pictures=(_drawn(curves, metric),) if pictures else (),
    )


def _curves(build: BuildRecord) -> Sequence[Curve]:
    found = []
    for stage in build.student_stages:
        points = [(each.count("tokens"), each.number("score")) for each in stage.findings.rows("validations")]
        known = tuple((seen, score) for seen, score in points if seen is not None and score is not None)
        if known:
            found.append((stage.name, known))
    return found


def _drawn(curves: Sequence[Curve], metric: str) -> Figure:
    """One line a stage."""
    figure = new_figure("Score over training", "tokens or images trained on", metric)
    for place, (stage, points) in enumerate(curves):
        figure.add_scatter(
            x=[seen for seen, _ in points],
            y=[score for _, score in points],
            mode="lines+markers",
            line={"color": SERIES[place % len(SERIES)]},
            name=stage,
        )
    return figure
