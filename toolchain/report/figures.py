"""A page's pictures of a build.

In:  a manifest, and what is known of its compression.
Out: figures of plotly, without colours that need a light page or a dark one.
What they share is `drawing`'s; those of measurements are `measurement_figures`'.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from edgewright.bundles.attributions import MODELS, GridAttribution
from edgewright.bundles.findings import PartRecord, SensitivityRecord
from edgewright.bundles.schema import Manifest
from edgewright.measure.stats import percentile
from edgewright.report.compression import Compression
from edgewright.report.drawing import (
    BLUE,
    FAINT,
    HEIGHT,
    HEIGHT_AROUND,
    INK,
    LEGEND,
    ORANGE,
    RED,
    ends,
    label,
    named_rows,
    new_figure,
    second_axis,
)
from edgewright.report.measured import Measured
from edgewright.specs.metrics import gain, goodness

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

SHOWN_PARTS = 20


def trade(manifest: Manifest) -> Figure:
    """Score against the time of an inference where it was built, the teacher's and each student's; sizes as areas."""
    points = list(_points(manifest))
    largest = max(each.bytes for each in points)
    processor = next((each.timing.processor for each in manifest.artifacts if each.timing), None)
    where = f"where it was built{f' ({label(processor)})' if processor else ''}"
    figure = new_figure(f"{manifest.task.metric} against latency {where}", "ms (logarithmic)", "score")
    for each in points:
        marker = {"size": 10 + 40 * (each.bytes / largest) ** 0.5, "color": each.colour, "opacity": 0.7}
        _place(figure, each, each.latency_ms, marker)
    figure.update_layout(height=HEIGHT + LEGEND)  # a name for each, under each other on a phone
    _finish(figure, manifest, [(each.latency_ms, each.score) for each in points])
    return figure


def sizes(manifest: Manifest) -> Figure:
    """Score against the size of a model's file, the teacher's and each student's."""
    points = [
        each if "int8" in each.name else replace(each, name=each.name.rpartition(",")[0]) for each in _points(manifest)
    ]
    points = list({each.name: each for each in points}.values())  # a float model's size is every runtime's
    figure = new_figure(f"{manifest.task.metric} against size", "MB (logarithmic)", "score")
    for each in points:
        _place(figure, each, each.bytes / 1e6, {"size": 14, "color": each.colour, "opacity": 0.7})
    _finish(figure, manifest, [(each.bytes / 1e6, each.score) for each in points])
    return figure


@dataclass(frozen=True, kw_only=True)
class _Point:
    name: str
    latency_ms: float
    bytes: int
    score: float
    colour: str


def _points(manifest: Manifest) -> Iterator[_Point]:
    teacher, student = manifest.teacher, manifest.student
    for each in manifest.artifacts:
        for name, latency_ms, size, score, colour in (
            ("teacher, float", each.teacher_latency_ms, teacher.bytes, teacher.score, INK),
            ("student, float", each.float_latency_ms, student.bytes, student.score, ORANGE),
            ("student, int8", each.latency_ms, each.bytes, each.score, BLUE),
        ):
            yield _Point(name=f"{name}, {each.runtime}", latency_ms=latency_ms, bytes=size, score=score, colour=colour)


def _place(figure: Figure, point: _Point, x: float, marker: Mapping[str, object]) -> None:
    told = f"{label(point.name)}: {point.latency_ms:.3g} ms, score {point.score:.4f}, {point.bytes / 1e6:.2f} MB"
    figure.add_scatter(
        x=[x],
        y=[point.score],
        mode="markers",
        marker=dict(marker),
        name=label(point.name),
        hovertemplate=f"{told}<extra></extra>",
    )


def _finish(figure: Figure, manifest: Manifest, points: Sequence[tuple[float, float]]) -> None:
    """What no other beats in both, and what a method without a network scores."""
    _draw_front(figure, points, manifest.task.metric)
    baseline = manifest.baseline
    figure.add_hline(y=baseline.score, line={"dash": "dash", "color": RED}, annotation_text=label(baseline.name))


def _draw_front(figure: Figure, points: Sequence[tuple[float, float]], metric: str) -> None:
    best = _front(points, metric)
    line = {"dash": "dot", "color": INK}
    figure.add_scatter(x=[x for x, _ in best], y=[y for _, y in best], mode="lines", line=line, name="Pareto front")
    figure.update_xaxes(type="log")


def stages(compression: Compression) -> Figure | None:
    """The score after each stage, and how many parameters were left."""
    rows = [row for row in compression.stages if row.score is not None]
    if not rows:
        return None
    names = [label(row.stage) for row in rows]
    figure = new_figure("What each stage won and cost", None, "score")
    figure.add_bar(x=names, y=[row.score for row in rows], name="score", marker={"color": BLUE})
    figure.add_scatter(
        x=names,
        y=[row.parameters for row in rows],
        name="parameters",
        yaxis="y2",
        mode="lines+markers",
        line={"color": ORANGE},
    )
    second_axis(figure, "parameters")
    return figure


def network(compression: Compression, teacher_layers: int | None) -> Figure | None:
    """What stayed of the teacher: heads and neurons of each of its layers, none of those that are gone."""
    rows = [row for row in compression.layers if row.heads is not None and row.neurons is not None]
    if not rows:
        return None
    kept = {row.layer if row.from_layer is None else row.from_layer: row for row in rows}
    layers = range(max([*(place + 1 for place in kept), teacher_layers or 0]))
    figure = new_figure("What stayed of the teacher's layers", "layer of the teacher", "heads")
    heads = [kept[place].heads if place in kept else 0 for place in layers]
    neurons = [kept[place].neurons if place in kept else 0 for place in layers]
    figure.add_bar(x=list(layers), y=heads, name="heads", marker={"color": BLUE}, offsetgroup=0)
    figure.add_bar(x=list(layers), y=neurons, name="neurons", marker={"color": ORANGE}, yaxis="y2", offsetgroup=1)
    figure.update_xaxes(dtick=1)
    second_axis(figure, "neurons")
    return figure


def parts(teacher: Sequence[PartRecord], student: Sequence[PartRecord]) -> Figure | None:
    """What stayed of the teacher's multiply-accumulates, part by part: of convolutions, heads and neurons alike."""
    before, after = ({part.name: part.macs for part in each if part.macs > 0} for each in (teacher, student))
    if not before or not after:
        return None
    names = [label(name) for name in before]
    # A part that was made into two has their sum.
    stayed = [sum(count for part, count in after.items() if f"{part}.".startswith(f"{name}.")) for name in before]
    shares = [100 * count / of for count, of in zip(stayed, before.values(), strict=True)]
    counts = [f"{count:,} of {of:,}" for count, of in zip(stayed, before.values(), strict=True)]
    figure = new_figure("What stayed of the teacher's parts", "% of a part's multiply-accumulates", None)
    figure.add_bar(y=names, x=[100] * len(names), orientation="h", name="cut off", marker={"color": FAINT})
    figure.add_bar(y=names, x=shares, orientation="h", name="stayed", marker={"color": BLUE}, hovertext=counts)
    named_rows(figure, list(before), ends(list(before)))
    figure.update_layout(height=HEIGHT_AROUND + 18 * len(names), barmode="overlay")
    return figure


def places(found: GridAttribution) -> Figure:
    """An image, and what each of its places says for the right answer, to the teacher and to the student."""
    from plotly.subplots import make_subplots

    names = [f"{label(found.text)}, {label(found.expected)}", *(f"the {name}" for name in MODELS)]
    figure: Figure = make_subplots(cols=3, subplot_titles=names, horizontal_spacing=0.03)
    figure.add_heatmap(z=found.image, colorscale="gray", showscale=False, row=1, col=1)
    for place, name in enumerate(MODELS, start=2):
        rows = found.says[name]
        most = max(abs(value) for row in rows for value in row) or 1.0
        colours = [[0, ORANGE], [0.5, "rgba(128,128,128,0.1)"], [1, BLUE]]
        figure.add_heatmap(z=rows, zmin=-most, zmax=most, colorscale=colours, showscale=False, row=1, col=place)
    figure.update_xaxes(visible=False, constrain="domain")
    for place, own in enumerate(("x", "x2", "x3"), start=1):  # as the image is, square where it is
        figure.update_yaxes(visible=False, autorange="reversed", scaleanchor=own, constrain="domain", row=1, col=place)
    figure.update_layout(
        height=280,
        margin={"l": 10, "r": 10, "t": 48, "b": 10},
        paper_bgcolor="rgba(0,0,0,0)",
        plot_bgcolor="rgba(0,0,0,0)",
        font={"color": INK},
    )
    return figure


def sensitivity(found: SensitivityRecord) -> Figure | None:
    """How far int8 puts the outputs off, part by part; what was excluded from it is marked."""
    errors = [(each.name, each.error) for each in found.parts if each.error is not None][:SHOWN_PARTS]
    if not errors:
        return None
    kept = set(found.kept_float)
    figure = new_figure("How far int8 alone puts the outputs off", "% (root mean square)", None)
    for is_kept, name, colour in ((False, "in int8", BLUE), (True, "kept float for it", ORANGE)):
        mine = [each for each in errors if (each[0] in kept) is is_kept]
        figure.add_bar(
            x=[100 * error for _, error in mine],
            y=[label(part) for part, _ in mine],
            orientation="h",
            marker={"color": colour},
            name=name,
        )
    names = [part for part, _ in errors]
    named_rows(figure, names, ends(names))
    figure.update_layout(height=HEIGHT_AROUND + 22 * len(errors), barmode="stack")
    return figure


def _front(points: Sequence[tuple[float, float]], metric: str) -> list[tuple[float, float]]:
    """Those that no other beats in both: no slower and no worse."""
    found: list[tuple[float, float]] = []
    for x, y in sorted(points, key=lambda point: (point[0], -goodness(metric, point[1]))):
        if not found or gain(metric, found[-1][1], y) > 0:
            found.append((x, y))
    return found


def measured(found: Sequence[Measured]) -> Figure | None:
    """Score against the median of each measurement, sizes as areas; nothing where machines or metrics are unlike."""
    known = [each for each in found if each.score is not None and each.latency_ms.samples]
    if len(known) < 2 or len({(each.target, each.clock, each.metric) for each in known}) > 1:
        return None
    largest = max(each.artifact.bytes for each in known) or 1
    figure = new_figure(f"{known[0].metric} against latency on {known[0].target}", "ms (logarithmic)", "score")
    points = []
    for each in known:
        point = _Point(
            name=f"{each.name or each.bundle}, {each.artifact.runtime}",
            latency_ms=percentile(each.latency_ms.samples, 50),
            bytes=each.artifact.bytes,
            score=each.score or 0.0,
            colour=BLUE,
        )
        points.append((point.latency_ms, point.score))
        marker = {"size": 10 + 40 * (point.bytes / largest) ** 0.5, "color": BLUE, "opacity": 0.7}
        _place(figure, point, point.latency_ms, marker)
    _draw_front(figure, points, known[0].metric)
    return figure
