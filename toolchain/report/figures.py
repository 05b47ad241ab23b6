"""The report's pictures.

In:  a manifest, what is known of its compression, and measurements.
Out: figures of plotly, without colours that need a light page or a dark one.
Text from data is escaped here, because plotly reads some HTML in labels.
"""

from __future__ import annotations

import html
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from toolchain.bundle import Manifest
from toolchain.report.compare import Measured
from toolchain.report.compression import Compression

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

INK = "#808080"  # readable on white and on black
BLUE, ORANGE, GREEN, RED = "#4c8dd6", "#e08a3c", "#4fa36b", "#d65c5c"
SHOWN_OPERATORS = 14
SHOWN_PARTS = 20
HEIGHT = 340


def label(text: object) -> str:
    """Text that plotly shows as it is."""
    return html.escape(str(text), quote=False)


def trade(manifest: Manifest) -> Figure:
    """Score against the time of an inference where it was built, the teacher's and each student's; sizes as areas."""
    points: list[tuple[str, float, float, int, str]] = []
    for each in manifest.artifacts:
        teacher, student = manifest.teacher, manifest.student
        points += [
            (f"teacher, float, {each.runtime}", each.teacher_latency_ms, teacher.score, teacher.bytes, INK),
            (f"student, float, {each.runtime}", each.float_latency_ms, student.score, student.bytes, ORANGE),
            (f"student, int8, {each.runtime}", each.latency_ms, each.score, each.bytes, BLUE),
        ]
    largest = max(size for *_, size, _ in points)
    figure = _figure(f"{manifest.task.metric} against latency where it was built", "ms (logarithmic)", "score")
    for name, latency_ms, score, size, colour in points:
        marker = {"size": 10 + 40 * (size / largest) ** 0.5, "color": colour, "opacity": 0.7}
        told = f"{label(name)}: {latency_ms:.3g} ms, score {score:.4f}, {size / 1e6:.2f} MB<extra></extra>"
        figure.add_scatter(
            x=[latency_ms], y=[score], mode="markers", marker=marker, name=label(name), hovertemplate=told
        )
    best = _front([(latency_ms, score) for _, latency_ms, score, *_ in points])
    line = {"dash": "dot", "color": INK}
    figure.add_scatter(x=[x for x, _ in best], y=[y for _, y in best], mode="lines", line=line, name="Pareto front")
    baseline = manifest.baseline
    figure.add_hline(y=baseline.score, line={"dash": "dash", "color": RED}, annotation_text=label(baseline.name))
    figure.update_xaxes(type="log")
    return figure


def stages(compression: Compression) -> Figure | None:
    """The score after each stage, and how many parameters were left."""
    rows = [row for row in compression.stages if row.score is not None]
    if not rows:
        return None
    names = [label(row.stage) for row in rows]
    figure = _figure("What each stage won and cost", None, "score")
    figure.add_bar(x=names, y=[row.score for row in rows], name="score", marker={"color": BLUE})
    figure.add_scatter(
        x=names,
        y=[row.parameters for row in rows],
        name="parameters",
        yaxis="y2",
        mode="lines+markers",
        line={"color": ORANGE},
    )
    _second_axis(figure, "parameters")
    return figure


def network(compression: Compression, teacher_layers: int | None) -> Figure | None:
    """What stayed of the teacher: heads and neurons of each of its layers, none of those that are gone."""
    rows = [row for row in compression.layers if row.heads is not None and row.neurons is not None]
    if not rows:
        return None
    kept = {row.layer if row.from_layer is None else row.from_layer: row for row in rows}
    layers = range(max([*(place + 1 for place in kept), teacher_layers or 0]))
    figure = _figure("What stayed of the teacher's layers", "layer of the teacher", "heads")
    heads = [kept[place].heads if place in kept else 0 for place in layers]
    neurons = [kept[place].neurons if place in kept else 0 for place in layers]
    figure.add_bar(x=list(layers), y=heads, name="heads", marker={"color": BLUE}, offsetgroup=0)
    figure.add_bar(x=list(layers), y=neurons, name="neurons", marker={"color": ORANGE}, yaxis="y2", offsetgroup=1)
    figure.update_xaxes(dtick=1)
    _second_axis(figure, "neurons")
    return figure


def sensitivity(findings: Mapping[str, Any]) -> Figure | None:
    """How far int8 puts the outputs off, part by part; what was kept float is marked."""
    parts = [each for each in findings.get("parts") or () if isinstance(each, Mapping)][:SHOWN_PARTS]
    if not parts:
        return None
    kept = set(findings.get("kept_float") or ())
    figure = _figure("How far int8 alone puts the outputs off", "% (root mean square)", None)
    figure.add_bar(
        x=[100 * float(each["error"]) for each in parts],
        y=[label(each["name"]) for each in parts],
        orientation="h",
        marker={"color": [ORANGE if each["name"] in kept else BLUE for each in parts]},
        name="int8 alone",
    )
    figure.update_yaxes(autorange="reversed")
    figure.update_layout(height=140 + 22 * len(parts))
    return figure


def latency(measured: Measured) -> Figure | None:
    """Every sample, in the order it was taken, and how they are spread."""
    samples = measured.latency_ms.samples
    if not samples:
        return None
    figure = _figure("Every sample", None, "ms")
    figure.add_scatter(y=list(samples), mode="markers", marker={"size": 4, "color": BLUE}, name="in order", xaxis="x")
    figure.add_histogram(y=list(samples), marker={"color": ORANGE}, name="spread", xaxis="x2", nbinsy=60)
    figure.update_layout(
        xaxis={"domain": [0, 0.68], "title": "sample"}, xaxis2={"domain": [0.72, 1], "title": "samples"}
    )
    return figure


def memory(measured: Measured) -> Figure | None:
    """Resident memory of the runner by phase, and its peak."""
    phases = {**measured.rss_bytes, "peak": measured.peak_rss_bytes}
    figure = _figure("Resident memory by phase", None, "MB")
    values = [size / 1e6 for size in phases.values()]
    figure.add_bar(x=[label(name) for name in phases], y=values, marker={"color": GREEN}, name="memory")
    figure.add_hline(
        y=measured.artifact.bytes / 1e6, line={"dash": "dash", "color": INK}, annotation_text="the artifact's size"
    )
    return figure


def operators(measured: Measured) -> Figure | None:
    """What each kind of operator takes of an inference, in a delegate or in the runtime's own kernels."""
    if measured.operators is None or not measured.operators.rows:
        return None
    rows = measured.operators.rows[:SHOWN_OPERATORS]
    figure = _figure("Operators of one inference", "ms while they are timed", None)
    for delegated, name, colour in ((True, "in a delegate", BLUE), (False, "in the runtime's own kernels", ORANGE)):
        mine = [row for row in rows if row.delegated is delegated]
        figure.add_bar(
            x=[row.ms for row in mine],
            y=[label(row.name) for row in mine],
            orientation="h",
            name=name,
            marker={"color": colour},
        )
    figure.update_yaxes(autorange="reversed")
    figure.update_layout(height=140 + 24 * len(rows), barmode="stack")
    return figure


def _figure(title: str, x: str | None, y: str | None) -> Figure:
    from plotly import graph_objects

    figure = graph_objects.Figure()
    figure.update_layout(
        title={"text": label(title), "font": {"size": 15}},
        height=HEIGHT,
        margin={"l": 60, "r": 60, "t": 48, "b": 48},
        paper_bgcolor="rgba(0,0,0,0)",
        plot_bgcolor="rgba(0,0,0,0)",
        font={"color": INK},
        legend={"orientation": "h", "y": -0.35},
    )
    figure.update_xaxes(
        title=x, gridcolor="rgba(128,128,128,0.25)", zerolinecolor="rgba(128,128,128,0.4)", automargin=True
    )
    figure.update_yaxes(
        title=y, gridcolor="rgba(128,128,128,0.25)", zerolinecolor="rgba(128,128,128,0.4)", automargin=True
    )
    return figure


def _second_axis(figure: Figure, title: str) -> None:
    """What is drawn on "y2" gets a scale of its own, on the right."""
    figure.update_layout(yaxis2={"overlaying": "y", "side": "right", "title": title, "showgrid": False})


def _front(points: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
    """Those that no other beats in both: no slower and no worse."""
    found: list[tuple[float, float]] = []
    for x, y in sorted(points, key=lambda point: (point[0], -point[1])):
        if not found or y > found[-1][1]:
            found.append((x, y))
    return found
