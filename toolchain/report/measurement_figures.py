"""A page's pictures of measurements and predictions.

In:  measurements, or what `edgewright predict --json` tells.
Out: figures of plotly.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from edgewright.base.fields import Fields
from edgewright.report.drawing import (
    BLUE,
    GREEN,
    HEIGHT,
    HEIGHT_AROUND,
    INK,
    LEGEND,
    ORANGE,
    SERIES,
    label,
    named_rows,
    new_figure,
    second_axis,
    short,
)
from edgewright.report.measured import Measured

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

SHORT_PHASES = {"start": "the runner alone", "loaded": "loaded", "first": "first run", "steady": "at the end"}
SHORT_PHASES |= {"prefill": "a prompt read", "decode": "text written"}
SHOWN_OPERATORS = 14


def latency(measured: Measured) -> Figure | None:
    """Every sample, in the order it was taken, and how they are spread."""
    samples = measured.latency_ms.samples
    if not samples:
        return None
    figure = new_figure("Every sample", None, "ms")
    figure.add_scatter(y=list(samples), mode="markers", marker={"size": 4, "color": BLUE}, name="in order", xaxis="x")
    figure.add_histogram(y=list(samples), marker={"color": ORANGE}, name="spread", xaxis="x2", nbinsy=60)
    figure.update_layout(
        xaxis={"domain": [0, 0.68], "title": "sample"}, xaxis2={"domain": [0.72, 1], "title": "samples"}
    )
    return figure


def memory(measured: Measured) -> Figure | None:
    """Resident memory at the end of each phase, anonymous and of files where the kernel told; and each phase's peak."""
    phases = measured.memory or {name: {"rss_bytes": size} for name, size in measured.rss_bytes.items()}
    figure = new_figure("Resident memory by phase", None, "MB")
    names = [label(SHORT_PHASES.get(name, name)) for name in phases]
    split = all({"anonymous_bytes", "file_bytes"} <= kinds.keys() for kinds in phases.values())
    told = (("anonymous_bytes", "anonymous", GREEN), ("file_bytes", "mapped from files", BLUE))
    for kind, name, colour in told if split else (("rss_bytes", "resident", GREEN),):
        values = [kinds.get(kind, 0) / 1e6 for kinds in phases.values()]
        figure.add_bar(x=names, y=values, marker={"color": colour}, name=name)
    peaks = [kinds["peak_bytes"] / 1e6 if "peak_bytes" in kinds else None for kinds in phases.values()]
    if any(peak is not None for peak in peaks):
        mark = {"symbol": "line-ew", "size": 26, "line": {"width": 3, "color": ORANGE}}
        figure.add_scatter(x=names, y=peaks, mode="markers", marker=mark, name="peak within the phase")
    figure.add_hline(
        y=measured.artifact.bytes / 1e6,
        line={"dash": "dash", "color": INK},
        annotation={"text": "the artifact's size", "x": 0, "xanchor": "left"},
    )
    figure.update_layout(barmode="stack")
    return figure


def machine(measured: Measured) -> Figure | None:
    """The machine while samples were taken, process after process: heat and clock, where it tells them."""
    heat: list[tuple[float, float]] = []
    clock: list[tuple[float, float]] = []
    begun = 0.0
    for each in measured.machine_during:
        if each is None:
            continue
        for state in each.states:
            if state.temperature_mc is not None:
                heat.append((begun + state.s, state.temperature_mc / 1000))
            if state.clock_khz is not None:
                clock.append((begun + state.s, state.clock_khz / 1000))
        begun += each.seconds
    if not heat and not clock:
        return None
    figure = new_figure("The machine while it was measured", "seconds of sampling", "°C" if heat else "MHz")
    if heat:
        x, y = zip(*heat, strict=True)
        figure.add_scatter(x=x, y=y, mode="lines+markers", name="hottest sensor", line={"color": ORANGE})
    if clock:
        x, y = zip(*clock, strict=True)
        axis = {"yaxis": "y2"} if heat else {}
        figure.add_scatter(x=x, y=y, mode="lines+markers", name="fastest core", line={"color": BLUE}, **axis)
        if heat:
            second_axis(figure, "MHz")
    return figure


def operators(measured: Measured) -> Figure | None:
    """What each kind of operator takes of an inference, in a delegate or in the runtime's own kernels."""
    if measured.operators is None or not measured.operators.rows:
        return None
    rows = measured.operators.rows[:SHOWN_OPERATORS]
    figure = new_figure("Operators of one inference", "ms while they are timed", None)
    for delegated, name, colour in ((True, "in a delegate", BLUE), (False, "in the runtime's own kernels", ORANGE)):
        mine = [row for row in rows if row.delegated is delegated]
        figure.add_bar(
            x=[row.ms for row in mine],
            y=[label(row.name) for row in mine],
            orientation="h",
            name=name,
            marker={"color": colour},
        )
    names = list(dict.fromkeys(row.name for row in rows))
    named_rows(figure, names, [short(name) for name in names])
    figure.update_layout(height=HEIGHT_AROUND + 24 * len(rows), barmode="stack")
    return figure


@dataclass(frozen=True, kw_only=True)
class _Roof:
    """One core's peaks in 10⁹ operations a second, and its memory's bandwidth."""

    int8_gops: float
    float_gops: float
    bandwidth_gb_s: float

    @classmethod
    def of(cls, roof: Fields) -> _Roof:
        int8, floats, bandwidth = (roof.number(name) or 1.0 for name in ("int8_gops", "float_gops", "bandwidth_gb_s"))
        return cls(int8_gops=int8, float_gops=floats, bandwidth_gb_s=bandwidth)


@dataclass(frozen=True, kw_only=True)
class _RoofPoint:
    """The operators of one kind and size: operations a byte, the rate they are expected at, and their time."""

    kind: str
    sizes: tuple[float, ...]
    count: int
    intensity: float
    gops: float
    ms: float

    @classmethod
    def of(cls, point: Fields) -> _RoofPoint:
        intensity, gops, ms = (point.number(name) or 0.0 for name in ("intensity", "gops", "ms"))
        return cls(
            kind=point.text("kind") or "",
            sizes=point.series("sizes"),
            count=point.count("count") or 0,
            intensity=intensity,
            gops=gops,
            ms=ms,
        )


def roofline(prediction: Fields) -> Figure:
    """The rate each operator is expected at, below a core's peaks and its memory's; areas are shares of the time."""
    document = prediction.inner("roof")
    roof, points = _Roof.of(document), tuple(map(_RoofPoint.of, document.rows("points")))
    figure = new_figure(
        f"{prediction.text('runtime')} on {prediction.text('profile')}: one core's roof",
        "operations a byte (logarithmic)",
        "10⁹ operations a second (logarithmic)",
    )
    _draw_roof(figure, roof, [each.intensity for each in points] or [1.0])
    total_ms = sum(each.ms for each in points) or 1.0
    for place, kind in enumerate(dict.fromkeys(each.kind for each in points)):
        colour = SERIES[place % len(SERIES)]
        _draw_points(figure, [each for each in points if each.kind == kind], total_ms, colour)
    figure.update_xaxes(type="log")
    figure.update_yaxes(type="log")
    figure.update_layout(height=HEIGHT + 2 * LEGEND)
    return figure


def _draw_roof(figure: Figure, roof: _Roof, intensities: Sequence[float]) -> None:
    low, high = min(intensities) / 2, max(*intensities, roof.int8_gops / roof.bandwidth_gb_s) * 2
    for name, peak, colour in (("int8 peak", roof.int8_gops, BLUE), ("float peak", roof.float_gops, ORANGE)):
        bend = peak / roof.bandwidth_gb_s
        places = sorted({low, min(max(bend, low), high), high})
        figure.add_scatter(
            x=places,
            y=[min(peak, roof.bandwidth_gb_s * place) for place in places],
            mode="lines",
            line={"color": colour, "dash": "dash"},
            name=f"{name}, {peak:.3g}",
            hoverinfo="skip",
        )


def _draw_points(figure: Figure, points: Sequence[_RoofPoint], total_ms: float, colour: str) -> None:
    """Operators of one kind."""
    hovers = (
        f"{each.count} × {each.kind} of {' × '.join(map(str, each.sizes))}: {each.ms:.3g} ms, "
        f"{100 * each.ms / total_ms:.0f} %"
        for each in points
    )
    figure.add_scatter(
        x=[each.intensity for each in points],
        y=[each.gops for each in points],
        mode="markers",
        marker={"size": [8 + 50 * (each.ms / total_ms) ** 0.5 for each in points], "color": colour, "opacity": 0.7},
        name=label(points[0].kind),
        hovertext=[label(hover) for hover in hovers],
        hoverinfo="text",
    )


def all_of(measured: Measured) -> tuple[Figure, ...]:
    """Every picture that there is something for."""
    drawn = (draw(measured) for draw in (latency, memory, operators, machine))
    return tuple(each for each in drawn if each is not None)
