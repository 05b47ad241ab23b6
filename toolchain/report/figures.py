"""The report's pictures.

In:  a manifest, what is known of its compression, and measurements.
Out: figures of plotly, without colours that need a light page or a dark one.
Text from data is escaped here, because plotly reads some HTML in labels.
"""

from __future__ import annotations

import html
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from edgewright.bundles.bundle import Manifest
from edgewright.measure.stats import percentile
from edgewright.report.attributions import MODELS, Attribution
from edgewright.report.compare import Measured
from edgewright.report.compression import Compression

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

INK = "#808080"  # readable on white and on black
FAINT = "rgba(128,128,128,0.35)"
BLUE, ORANGE, GREEN, RED = "#4c8dd6", "#e08a3c", "#4fa36b", "#d65c5c"
SHORT_PHASES = {"start": "the runner alone", "loaded": "loaded", "first": "first run", "steady": "at the end"}
SERIES = (BLUE, ORANGE, GREEN, RED, "#9a6fc4", "#8c7355", "#c47aa5", "#6f7f8f", "#b0a63c", "#3fa7b5")
SHOWN_OPERATORS = 14
SHOWN_PARTS = 20
HEIGHT = 340
HEIGHT_AROUND = 180  # what title, axis and legend take of a picture with a row for each bar
LEGEND = 70  # pixels below a picture for it
SHOWN_CHARACTERS = 32  # of a name beside a bar; the whole is shown where it is pointed at


def label(text: object) -> str:
    """Text that plotly shows as it is."""
    return html.escape(str(text), quote=False)


def short(text: object) -> str:
    """A name that leaves room for its bar, also on a phone: its beginning and its end."""
    whole = str(text)
    half = SHOWN_CHARACTERS // 2
    return label(whole if len(whole) <= SHOWN_CHARACTERS else f"{whole[:half]}…{whole[1 - half :]}")


def _named_rows(figure: Figure, names: Sequence[str], shown: Sequence[str]) -> None:
    """Rows from the top in this order; what is shown of two names may be alike, their rows are not."""
    rows = [label(name) for name in names]
    figure.update_yaxes(
        categoryorder="array", categoryarray=rows, autorange="reversed", tickvals=rows, ticktext=list(shown)
    )


def _ends(names: Sequence[str]) -> list[str]:
    """Names of parts without what all begin with, and the end of those that are long: it tells them apart."""
    parts = [name.split(".") for name in names]
    shortest = min(map(len, parts))
    common = 0
    while len(parts) > 1 and common < shortest - 1 and len({each[common] for each in parts}) == 1:
        common += 1
    rest = [".".join(each[common:]) for each in parts]
    return [label(each if len(each) <= SHOWN_CHARACTERS else f"…{each[1 - SHOWN_CHARACTERS :]}") for each in rest]


def trade(manifest: Manifest) -> Figure:
    """Score against the time of an inference where it was built, the teacher's and each student's; sizes as areas."""
    points = list(_points(manifest))
    largest = max(each.bytes for each in points)
    processor = next((each.timing.processor for each in manifest.artifacts if each.timing), None)
    where = f"where it was built{f' ({label(processor)})' if processor else ''}"
    figure = _figure(f"{manifest.task.metric} against latency {where}", "ms (logarithmic)", "score")
    for each in points:
        marker = {"size": 10 + 40 * (each.bytes / largest) ** 0.5, "color": each.colour, "opacity": 0.7}
        _place(figure, each, each.latency_ms, marker)
    figure.update_layout(height=HEIGHT + LEGEND)  # a name for each, under each other on a phone
    _finish(figure, manifest, [(each.latency_ms, each.score) for each in points])
    return figure


def measured(found: Sequence[Measured]) -> Figure | None:
    """Score against the median of each measurement, sizes as areas; nothing where machines or metrics are unlike."""
    known = [each for each in found if each.score is not None and each.latency_ms.samples]
    if len(known) < 2 or len({(each.target, each.clock, each.metric) for each in known}) > 1:
        return None
    largest = max(each.artifact.bytes for each in known) or 1
    figure = _figure(f"{known[0].metric} against latency on {known[0].target}", "ms (logarithmic)", "score")
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
    _draw_front(figure, points)
    return figure


def sizes(manifest: Manifest) -> Figure:
    """Score against the size of a model's file, the teacher's and each student's."""
    points = [
        each if "int8" in each.name else replace(each, name=each.name.rpartition(",")[0]) for each in _points(manifest)
    ]
    points = list({each.name: each for each in points}.values())  # a float model's size is every runtime's
    figure = _figure(f"{manifest.task.metric} against size", "MB (logarithmic)", "score")
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


def _place(figure: Figure, point: _Point, x: float, marker: Mapping[str, Any]) -> None:
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
    _draw_front(figure, points)
    baseline = manifest.baseline
    figure.add_hline(y=baseline.score, line={"dash": "dash", "color": RED}, annotation_text=label(baseline.name))


def _draw_front(figure: Figure, points: Sequence[tuple[float, float]]) -> None:
    best = _front(points)
    line = {"dash": "dot", "color": INK}
    figure.add_scatter(x=[x for x, _ in best], y=[y for _, y in best], mode="lines", line=line, name="Pareto front")
    figure.update_xaxes(type="log")


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


def parts(teacher: object, student: object) -> Figure | None:
    """What stayed of the teacher's multiply-accumulates, part by part: of convolutions, heads and neurons alike."""
    whole, kept = (_macs(each) for each in (teacher, student))
    if not whole or not kept:
        return None
    names = [label(name) for name in whole]
    # A part that was made into two has their sum.
    stayed = [sum(count for part, count in kept.items() if f"{part}.".startswith(f"{name}.")) for name in whole]
    shares = [100 * count / of for count, of in zip(stayed, whole.values(), strict=True)]
    told = [f"{count:,} of {of:,}" for count, of in zip(stayed, whole.values(), strict=True)]
    figure = _figure("What stayed of the teacher's parts", "% of a part's multiply-accumulates", None)
    figure.add_bar(y=names, x=[100] * len(names), orientation="h", name="cut off", marker={"color": FAINT})
    figure.add_bar(y=names, x=shares, orientation="h", name="stayed", marker={"color": BLUE}, hovertext=told)
    _named_rows(figure, list(whole), _ends(list(whole)))
    figure.update_layout(height=HEIGHT_AROUND + 18 * len(names), barmode="overlay")
    return figure


def _macs(found: object) -> dict[str, int]:
    rows = [each for each in found if isinstance(each, Mapping)] if isinstance(found, list) else []
    return {str(each.get("name")): count for each in rows if isinstance(count := each.get("macs"), int) and count > 0}


def places(found: Attribution) -> Figure | None:
    """An image, and what each of its places says for the right answer, to the teacher and to the student."""
    if not found.image:
        return None
    from plotly.subplots import make_subplots

    names = [f"{label(found.text)}, {label(found.expected)}", *(f"the {name}" for name in MODELS)]
    figure = make_subplots(cols=3, subplot_titles=names, horizontal_spacing=0.03)
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


def sensitivity(findings: Mapping[str, Any]) -> Figure | None:
    """How far int8 puts the outputs off, part by part; what was kept float is marked."""
    parts = [each for each in findings.get("parts") or () if isinstance(each, Mapping)][:SHOWN_PARTS]
    if not parts:
        return None
    kept = set(findings.get("kept_float") or ())
    figure = _figure("How far int8 alone puts the outputs off", "% (root mean square)", None)
    for is_kept, name, colour in ((False, "in int8", BLUE), (True, "kept float for it", ORANGE)):
        mine = [each for each in parts if (each["name"] in kept) is is_kept]
        figure.add_bar(
            x=[100 * float(each["error"]) for each in mine],
            y=[label(each["name"]) for each in mine],
            orientation="h",
            marker={"color": colour},
            name=name,
        )
    names = [str(each["name"]) for each in parts]
    _named_rows(figure, names, _ends(names))
    figure.update_layout(height=HEIGHT_AROUND + 22 * len(parts), barmode="stack")
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
    """Resident memory at the end of each phase, anonymous and of files where the kernel told; and each phase's peak."""
    phases = measured.memory or {name: {"rss_bytes": size} for name, size in measured.rss_bytes.items()}
    figure = _figure("Resident memory by phase", None, "MB")
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
    figure = _figure("The machine while it was measured", "seconds of sampling", "°C" if heat else "MHz")
    if heat:
        x, y = zip(*heat, strict=True)
        figure.add_scatter(x=x, y=y, mode="lines+markers", name="hottest sensor", line={"color": ORANGE})
    if clock:
        x, y = zip(*clock, strict=True)
        axis = {"yaxis": "y2"} if heat else {}
        figure.add_scatter(x=x, y=y, mode="lines+markers", name="fastest core", line={"color": BLUE}, **axis)
        if heat:
            _second_axis(figure, "MHz")
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
    names = list(dict.fromkeys(row.name for row in rows))
    _named_rows(figure, names, [short(name) for name in names])
    figure.update_layout(height=HEIGHT_AROUND + 24 * len(rows), barmode="stack")
    return figure


def roofline(prediction: Mapping[str, Any]) -> Figure:
    """The rate each operator is expected at, below a core's peaks and its memory's; areas are shares of the time."""
    roof = prediction["roof"]
    points = roof["points"]
    figure = _figure(
        f"{prediction['runtime']} on {prediction['profile']}: one core's roof",
        "operations a byte (logarithmic)",
        "10⁹ operations a second (logarithmic)",
    )
    ends = [each["intensity"] for each in points] or [1.0]
    low, high = min(ends) / 2, max(*ends, roof["int8_gops"] / roof["bandwidth_gb_s"]) * 2
    for name, peak, colour in (("int8 peak", roof["int8_gops"], BLUE), ("float peak", roof["float_gops"], ORANGE)):
        bend = peak / roof["bandwidth_gb_s"]
        places = sorted({low, min(max(bend, low), high), high})
        figure.add_scatter(
            x=places,
            y=[min(peak, roof["bandwidth_gb_s"] * place) for place in places],
            mode="lines",
            line={"color": colour, "dash": "dash"},
            name=f"{name}, {peak:.3g}",
            hoverinfo="skip",
        )
    whole = sum(each["ms"] for each in points) or 1.0
    kinds = dict.fromkeys(each["kind"] for each in points)
    for place, kind in enumerate(kinds):
        own = [each for each in points if each["kind"] == kind]
        figure.add_scatter(
            x=[each["intensity"] for each in own],
            y=[each["gops"] for each in own],
            mode="markers",
            marker={
                "size": [8 + 50 * (each["ms"] / whole) ** 0.5 for each in own],
                "color": SERIES[place % len(SERIES)],
                "opacity": 0.7,
            },
            name=label(kind),
            hovertext=[
                label(
                    f"{each['count']} × {kind} of {' × '.join(map(str, each['sizes']))}: {each['ms']:.3g} ms, "
                    f"{100 * each['ms'] / whole:.0f} %"
                )
                for each in own
            ],
            hoverinfo="text",
        )
    figure.update_xaxes(type="log")
    figure.update_yaxes(type="log")
    figure.update_layout(height=HEIGHT + 2 * LEGEND)
    return figure


def _figure(title: str, x: str | None, y: str | None) -> Figure:
    from plotly import graph_objects

    figure = graph_objects.Figure()
    figure.update_layout(
        title={"text": label(title), "font": {"size": 15}},
        height=HEIGHT,
        margin={"l": 60, "r": 60, "t": 48, "b": LEGEND + 40},
        paper_bgcolor="rgba(0,0,0,0)",
        plot_bgcolor="rgba(0,0,0,0)",
        font={"color": INK},
        legend={"orientation": "h", "yref": "container", "y": 0, "yanchor": "bottom"},
        showlegend=True,
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
    axis = {"overlaying": "y", "side": "right", "title": title, "showgrid": False, "zeroline": False}
    figure.update_layout(yaxis2=axis)


def _front(points: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
    """Those that no other beats in both: no slower and no worse."""
    found: list[tuple[float, float]] = []
    for x, y in sorted(points, key=lambda point: (point[0], -point[1])):
        if not found or y > found[-1][1]:
            found.append((x, y))
    return found
