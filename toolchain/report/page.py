"""A bundle and its measurements as one page that opens anywhere, or as Markdown, or as one document.

In:  a bundle's manifest, and measurements of it; or measurements alone.
Out: HTML with everything in it, which asks for nothing from outside; Markdown; or a mapping for JSON.
What is drawn is `figures`' concern. Whatever comes from data is escaped.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from edgewright.base.extras import need
from edgewright.base.plain import escaped
from edgewright.bundles.bundle import Manifest
from edgewright.cost.int8_gain import int8_of
from edgewright.cost.speedups import times
from edgewright.measure.measurement import apart_from_others
from edgewright.measure.stats import summarize
from edgewright.report import figures
from edgewright.report.attributions import MODELS, Attribution, attributions_of
from edgewright.report.compare import Measured
from edgewright.report.compression import STUDENT_STAGES, Compression, compression_of
from edgewright.report.notes import notes_of
from edgewright.report.precision import precision_of
from edgewright.report.speedups import Told, told_of
from edgewright.report.terminal import CLOCK_NOTES
from edgewright.specs.budget import Baseline, as_good

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

TEMPLATE = "page.html.jinja"
PURPOSE = "make a report"
PACKAGES = ("jinja2", "plotly")
MACHINE = ("board", "cpu_model", "cores", "arch", "ram_bytes", "kernel", "os", "libc", "python", "governor")
STATE = ("clock_mhz", "temperature_c", "load_1min", "ram_available_bytes", "swap_used_bytes", "throttling")
UNKNOWN = "–"
Cells = tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Table:
    """Rows of text under heads."""

    heads: Cells
    rows: tuple[Cells, ...]


@dataclass(frozen=True, kw_only=True)
class Shaded:
    """A text to one model: each word with a colour of CSS, stronger the more it says for or against the answer."""

    model: str
    expected: str
    words: tuple[tuple[str, str], ...]


@dataclass(frozen=True, kw_only=True)
class Section:
    """A heading, sentences, tables, texts with shaded words, and pictures under it."""

    title: str
    sentences: tuple[str, ...] = ()
    tables: tuple[Table, ...] = ()
    texts: tuple[Shaded, ...] = ()
    pictures: tuple[Figure, ...] = ()


Predicted = Mapping[str, Any]
"""One of what `edgewright predict --json` tells."""


def document(
    manifest: Manifest | None, measured: Sequence[Measured], predicted: Sequence[Predicted] = ()
) -> dict[str, Any]:
    """All that the page is made from."""
    built: dict[str, Any] = {}
    if manifest is not None:
        built = {
            "manifest": manifest.model_dump(mode="json"),
            **compression_of(manifest).summary(),
            "int8": [row.document() for row in int8_of(manifest)],
            "precision": precision_of(manifest),
            "speedups": [{"runtime": each.runtime, **each.document()} for each in told_of(manifest, measured=measured)],
            "baseline_at_least_as_good": found.sentence if (found := _as_good(manifest)) else None,
            "predictions": list(predicted),
        }
    return {**built, "measurements": [each.model_dump(mode="json") for each in measured]}


def page(manifest: Manifest | None, measured: Sequence[Measured], predicted: Sequence[Predicted] = ()) -> str:
    """The HTML. Raises `EnvironmentFaultError` without the extra "report"."""
    met = not any(_missed(verdict) for verdict in _verdicts(manifest, measured))
    verdict = _headline(manifest, met=met)
    return _rendered(_name(manifest, measured), met, verdict, sections(manifest, measured, predicted, pictures=True))


def prediction_page(subject: str, predictions: Sequence[Predicted]) -> str:
    """What `edgewright predict --json` tells, as a page of its own: a roof for each artifact."""
    met = any(not _missed(each["budget"]) for each in predictions)
    return _rendered(subject, met, _headline(None, met=met), (_prediction(each, pictures=True) for each in predictions))


def _prediction(found: Predicted, *, pictures: bool) -> Section:
    of = f", {found['length']} tokens" if found["length"] else ""
    threads = f"{found['threads']} thread{'s' if found['threads'] > 1 else ''}"
    latency_ms = found["latency_ms"]

    def rows(parts: Mapping[str, float]) -> tuple[Cells, ...]:
        ordered = sorted(parts.items(), key=lambda each: -each[1])
        return tuple((name, f"{ms:.3g}", f"{100 * ms / latency_ms:.0f} %") for name, ms in ordered if ms)

    memory = found["peak_memory_bytes"]
    return Section(
        title=f"Predicted: {found['runtime']} {found['precision']} on {found['profile']}{of}, {threads}",
        sentences=(
            f"{latency_ms:.3g} ms ({found['low_ms']:.3g} to {found['high_ms']:.3g}), limited by {found['limited_by']}; "
            f"peak memory {_megabytes(memory)} (up to {_megabytes(round(memory * (1 + found['memory_spread'])))}). "
            f"By {found['source']}.",
            *found["notes"],
            *(miss["sentence"] for miss in found["budget"]["missed"]),
        ),
        tables=(
            Table(heads=("limited by", "ms", "share"), rows=rows(found["by_limit"])),
            Table(heads=("operators", "ms", "share"), rows=rows(found["by_kind"])),
        ),
        pictures=(figures.roofline(found),) if pictures and found.get("roof") else (),
    )


def _as_good(manifest: Manifest) -> Baseline | None:
    """The method without a network, where it scores at least as well as the best artifact."""
    best = next(each for each in manifest.artifacts if each.runtime == manifest.best)
    return as_good(manifest.baseline.name, manifest.baseline.score, best.score)


def _headline(manifest: Manifest | None, *, met: bool) -> str:
    said = "Budget met" if met else "Budget missed"
    if manifest is None or (baseline := _as_good(manifest)) is None:
        return said
    return f"{said}, {'but' if met else 'and'} {baseline.sentence}"


def _rendered(name: str, met: bool, verdict: str, shown: Iterable[Section]) -> str:
    need(PACKAGES, purpose=PURPOSE, extra="report")
    from jinja2 import Environment, PackageLoader, StrictUndefined
    from markupsafe import Markup
    from plotly.offline import get_plotlyjs

    environment = Environment(
        loader=PackageLoader("edgewright.report", "."), autoescape=True, undefined=StrictUndefined, trim_blocks=True
    )
    options = {"displayModeBar": False, "responsive": True}

    def drawn(figure: Figure) -> Markup:
        return Markup(figure.to_html(full_html=False, include_plotlyjs=False, config=options))

    return environment.get_template(TEMPLATE).render(
        name=name,
        met=met,
        verdict=verdict,
        sections=list(shown),
        drawn=drawn,
        plotly=Markup(get_plotlyjs()),
    )


def markdown(manifest: Manifest | None, measured: Sequence[Measured], predicted: Sequence[Predicted] = ()) -> str:
    """The same without pictures."""
    lines = [f"# {escaped(_name(manifest, measured))}"]
    for section in sections(manifest, measured, predicted, pictures=False):
        lines += ["", f"## {escaped(section.title)}", ""]
        lines += [f"{escaped(each)}\n" for each in section.sentences]
        for table in section.tables:
            lines += [_row(table.heads), _row(["---"] * len(table.heads)), *map(_row, table.rows), ""]
    return "\n".join(lines) + "\n"


def sections(
    manifest: Manifest | None, measured: Sequence[Measured], predicted: Sequence[Predicted], *, pictures: bool
) -> Iterator[Section]:
    """The page from top to bottom."""
    verdict = tuple(_verdict(manifest, measured))
    yield Section(title="Verdict", sentences=verdict, tables=(_limits(manifest),) if manifest else ())
    if len(measured) > 1:
        found = figures.measured(measured) if pictures else None
        yield Section(title="Side by side", tables=(_side_by_side(measured),), pictures=(found,) if found else ())
    compression = None
    if manifest is not None:
        compression = compression_of(manifest)
        yield from _built(manifest, compression, told_of(manifest, measured=measured), pictures=pictures)
    for expected in predicted:
        yield _prediction(expected, pictures=pictures)
    for each in measured:
        yield _measurement(each, compression, pictures=pictures)
    if manifest is not None:
        yield Section(title="Provenance", tables=(_provenance(manifest), _files(manifest)))


def _built(
    manifest: Manifest, compression: Compression, speedups: Sequence[Told], *, pictures: bool
) -> Iterator[Section]:
    """What the build says of the bundle."""
    findings = {stage.name: stage.findings for stage in manifest.stages}

    def drawn(*found: Figure | None) -> tuple[Figure, ...]:
        return tuple(each for each in found if each is not None)

    if notes := notes_of(manifest):
        yield Section(title="Notes", sentences=notes)
    yield Section(
        title="What was made",
        sentences=(*(each.sentence for each in speedups), *(row.verdict for row in int8_of(manifest))),
        tables=(_models(manifest, speedups),),
        pictures=drawn(figures.trade(manifest), figures.sizes(manifest)) if pictures else (),
    )
    whole = findings.get("importance", {}).get("layers")  # of the teacher, one score a layer
    teacher_layers = len(whole) if isinstance(whole, list) else None
    yield Section(
        title="How it was made smaller",
        sentences=compression.where_lost,
        tables=(_stages(compression), _build_times(manifest)),
        pictures=drawn(figures.stages(compression), *_network(manifest, teacher_layers)) if pictures else (),
    )
    if (said := precision_of(manifest)) is not None:
        shown = drawn(figures.sensitivity(findings["sensitivity"])) if pictures else ()
        yield Section(title="Precision", sentences=(said,), pictures=shown)
    if (changed := findings.get("account", {})).get("count"):
        yield _account(changed)
    if found := attributions_of(changed):
        yield _attributions(found, pictures=pictures)


def _name(manifest: Manifest | None, measured: Sequence[Measured]) -> str:
    if manifest is not None:
        return manifest.name
    return ", ".join(dict.fromkeys(each.name or each.bundle for each in measured))


def _verdicts(manifest: Manifest | None, measured: Sequence[Measured]) -> Iterator[Mapping[str, Any]]:
    if manifest is not None:
        yield manifest.verdict
    yield from (each.budget for each in measured)


def _missed(verdict: Mapping[str, Any]) -> list[str]:
    """A sentence for each limit that was missed."""
    missed = verdict.get("missed")
    rows = missed if isinstance(missed, list) else []
    return [str(each.get("sentence", "")) for each in rows if isinstance(each, Mapping)]


def _verdict(manifest: Manifest | None, measured: Sequence[Measured]) -> Iterator[str]:
    """What the build could judge, and what each device decided."""
    if manifest is not None:
        missed = _missed(manifest.verdict)
        yield "Budget missed." if missed else "Budget met, as far as it can be judged before a device is at hand."
        yield from missed
        if (baseline := _as_good(manifest)) is not None:
            yield f"{baseline.sentence}."
        undecided = [str(each) for each in manifest.verdict.get("undecided") or ()]
        if undecided and not measured:
            yield f"Only a device can decide {', '.join(undecided)}."
    for each in measured:
        if missed := _missed(each.budget):
            yield f"On {each.target} the budget is missed: {'; '.join(missed)}."
        elif each.budget:
            undecided = [str(name) for name in each.budget.get("undecided") or ()]
            rest = f"; {', '.join(undecided)} cannot be decided there" if undecided else ""
            yield f"On {each.target} the budget is met{rest}."


def _side_by_side(measured: Sequence[Measured]) -> Table:
    rows = tuple(
        (
            each.name or each.bundle,
            each.target,
            f"{each.artifact.runtime} {each.artifact.runtime_version}",
            UNKNOWN
            if (found := summarize(each.latency_by_run, apart=apart_from_others(each.clock, each.machine))) is None
            else f"{found.p50:.4g} ms",
            _megabytes(each.peak_rss_bytes),
            _megabytes(each.artifact.bytes),
            UNKNOWN if each.score is None else f"{each.score:.4f}",
        )
        for each in measured
    )
    return Table(heads=("bundle", "target", "runtime", "median", "peak memory", "size", "score"), rows=rows)


def _limits(manifest: Manifest) -> Table:
    set_limits = manifest.budget.model_dump(exclude_none=True)
    rows = tuple((name, f"{limit:g}") for name, limit in set_limits.items())
    return Table(heads=("limit", "at most"), rows=rows or (("none", UNKNOWN),))


def _models(manifest: Manifest, speedups: Sequence[Told]) -> Table:
    teacher, student = manifest.teacher, manifest.student

    def row(
        name: str, score: float, size: int | None, latency_ms: float | None, there: str = UNKNOWN, here: str = UNKNOWN
    ) -> Cells:
        kept = f"{100 * score / teacher.score:.1f} %" if teacher.score else UNKNOWN
        return (name, f"{score:.4f}", kept, _megabytes(size), there, _milliseconds(latency_ms), here)

    rows = [
        row(manifest.baseline.name, manifest.baseline.score, None, None),
        row("teacher, float", teacher.score, teacher.bytes, teacher.latency_ms),
        row("student, float", student.score, student.bytes, student.latency_ms),
    ]
    for each, told in zip(manifest.artifacts, speedups, strict=True):
        there = told.there.cell if told.there else UNKNOWN
        here = UNKNOWN if told.here.value is None else f"{times(told.here.value)}{'*' if told.here.marks else ''}"
        rows.append(row(f"{each.file} ({each.runtime})", each.score, each.bytes, each.latency_ms, there, here))
    device = next((f"{each.there.profile} ({each.there.core})" for each in speedups if each.there), manifest.profile)
    processor = next((each.here.processor for each in speedups if each.here.processor), "its processor is not known")
    heads = (
        *("", manifest.task.metric, "kept", "size", f"faster than the teacher on {device}"),
        *(f"latency where it was built ({processor})", "faster there"),
    )
    return Table(heads=heads, rows=tuple(rows))


def _network(manifest: Manifest, teacher_layers: int | None) -> Iterator[Figure | None]:
    """What stayed of the teacher, by its layers or, of a model of images, by its parts."""
    yield figures.network(compression_of(manifest), teacher_layers)
    found = [stage.findings.get("parts") for stage in manifest.stages if stage.name in ("teacher", *STUDENT_STAGES)]
    if found:
        yield figures.parts(found[0], found[-1])


def _stages(compression: Compression) -> Table:
    rows = tuple(
        (
            row.stage,
            UNKNOWN if row.parameters is None else f"{row.parameters:,}",
            UNKNOWN if row.macs is None else f"{row.macs:,}",
            _milliseconds(row.predicted_layers_ms),
            UNKNOWN if row.score is None else f"{row.score:.4f}",
            UNKNOWN if row.score_change is None else f"{row.score_change:+.4f}",
        )
        for row in compression.stages
    )
    heads = ("after", "parameters", "multiply-accumulates", "estimate of the layers", "score", "change")
    return Table(heads=heads, rows=rows)


def _build_times(manifest: Manifest) -> Table:
    """What building it cost, stage by stage, when each was made."""
    rows = tuple(
        (each.name, f"{each.made_in_seconds:.1f} s") for each in manifest.stages if each.made_in_seconds >= 0.1
    )
    return Table(heads=("stage", "made in"), rows=rows)


def _account(found: Mapping[str, Any]) -> Section:
    """Which classes lost, and the examples that teacher and student answer otherwise."""
    groups = [each for each in found.get("groups") or () if isinstance(each, Mapping)]
    flips = [each for each in found.get("flips") or () if isinstance(each, Mapping)]
    rows = tuple(
        (
            str(each.get("name")),
            str(each.get("count")),
            *(f"{100 * float(each.get(who, 0)):.1f} %" for who in ("teacher", "student")),
            f"{100 * (float(each.get('student', 0)) - float(each.get('teacher', 0))):+.1f}",
        )
        for each in groups
    )
    examples = tuple(
        tuple(str(each.get(name)) for name in ("text", "expected", "teacher", "student")) for each in flips
    )
    return Section(
        title="What compression changed",
        sentences=(
            f"Of {found.get('count')} held-out examples the student answers {found.get('lost')} worse than its teacher "
            f"and {found.get('won')} better.",
        ),
        tables=(
            Table(heads=("class", "examples", "teacher right", "student right", "points"), rows=rows),
            Table(heads=("answered worse", "right is", "the teacher says", "the student says"), rows=examples),
        ),
    )


def _attributions(found: Sequence[Attribution], *, pictures: bool) -> Section:
    """What the answers that got worse rest on, the teacher's and the student's."""
    rows = tuple(
        (
            each.text,
            each.expected,
            model,
            ", ".join(f"{word} {value:+.2f}" for word, value in each.strongest(model)),
        )
        for each in found
        if each.words
        for model in MODELS
    )
    texts = tuple(
        Shaded(
            model=model,
            expected=each.expected,
            words=tuple(zip(each.words, map(_shade, each.shares(model)), strict=True)),
        )
        for each in found
        if each.words
        for model in MODELS
    )
    drawn = [figures.places(each) for each in found] if pictures else []
    return Section(
        title="What answers rest on",
        sentences=(
            "Of examples that the student answers worse: blue speaks for the right answer, orange against it, each "
            "beside the strongest of that model (integrated gradients).",
        ),
        tables=(Table(heads=("example", "right is", "to the", "says most"), rows=rows),),
        texts=texts if pictures else (),
        pictures=tuple(each for each in drawn if each is not None),
    )


def _shade(share: float) -> str:
    red, green, blue = (76, 141, 214) if share > 0 else (224, 138, 60)
    return f"rgba({red},{green},{blue},{0.7 * abs(share):.2f})"


def _measurement(measured: Measured, compression: Compression | None, *, pictures: bool) -> Section:
    notes = []
    if measured.emulated:
        notes.append(CLOCK_NOTES[measured.clock])
    if not measured.stable:
        notes.append(f"Not stable: {'; '.join(measured.reasons) or 'it does not say why'}.")
    if measured.against_float:
        notes.append(measured.against_float.verdict)
    summary = summarize(measured.latency_by_run, apart=apart_from_others(measured.clock, measured.machine))
    artifact = measured.artifact
    facts = [
        ("artifact", f"{artifact.file}, {_megabytes(artifact.bytes)}"),
        ("runtime", f"{artifact.runtime} {artifact.runtime_version}"),
        ("threads", str(measured.threads)),
    ]
    if summary:
        facts += [
            ("median (95 % interval)", f"{summary.p50:.4g} ms ({summary.low:.4g} to {summary.high:.4g})"),
            ("p90, p99", f"{summary.p90:.4g} ms, {summary.p99:.4g} ms"),
            ("samples", f"{summary.count} of {len(measured.runs)} processes"),
        ]
    if (cold := measured.cold) is not None:
        spans = f"load {_milliseconds(cold.load_ms)}, first inference {_milliseconds(cold.first_inference_ms)}"
        facts.append(("from storage", spans))
    facts.append(("peak memory", _megabytes(measured.peak_rss_bytes)))
    facts += [(f"energy of one inference, {name}", f"{value:.3g} mJ") for name, value in measured.energy_mj.items()]
    if compression is not None:
        facts += _predicted(measured, compression)
    machine = tuple(
        (name.replace("_", " "), _fact(measured.machine.get(name)), _fact(measured.machine_after.get(name)))
        for name in (*MACHINE, *STATE)
        if measured.machine.get(name) is not None
    )
    drawn = (figures.latency, figures.memory, figures.operators, figures.machine)
    found = [draw(measured) for draw in drawn] if pictures else []
    return Section(
        title=f"Measured on {measured.target}",
        sentences=tuple(notes),
        tables=(
            Table(heads=("", "measured"), rows=tuple(facts)),
            Table(heads=("machine", "before", "after"), rows=machine),
        ),
        pictures=tuple(each for each in found if each is not None),
    )


def _predicted(measured: Measured, compression: Compression) -> Iterator[tuple[str, str]]:
    """What the profile's facts and the build's machine had said of it."""
    stage = f"int8 {measured.artifact.runtime}"
    row = next((each for each in compression.stages if each.stage == stage), None)
    if row is None:
        return
    if row.predicted_layers_ms is not None:
        estimate = f"{_milliseconds(row.predicted_layers_ms)}, of its layers alone and for a text of 16 tokens"
        yield "the profile's estimate", estimate
    if (there := row.measured_ms.get(measured.artifact.runtime)) is not None:
        yield "where it was built", _milliseconds(there)


def _provenance(manifest: Manifest) -> Table:
    rows = [
        ("made", manifest.created),
        ("for", manifest.profile),
        ("by", f"edgewright {manifest.edgewright}"),
        *((f"package {name}", version) for name, version in manifest.packages.items()),
        *((f"machine, {name}", str(value)) for name, value in manifest.machine.items()),
    ]
    return Table(heads=("", "provenance"), rows=tuple(rows))


def _files(manifest: Manifest) -> Table:
    return Table(heads=("file", "sha256"), rows=tuple(manifest.files.items()))


def _megabytes(size: int | None) -> str:
    return UNKNOWN if size is None else f"{size / 1e6:.2f} MB"


def _milliseconds(value: float | None) -> str:
    return UNKNOWN if value is None else f"{value:.3g} ms"


def _fact(value: Any) -> str:
    if value is None:
        return UNKNOWN
    if isinstance(value, Mapping):
        return ", ".join(f"{name} {each}" for name, each in value.items())
    return ", ".join(map(str, value)) if isinstance(value, list | tuple) else str(value)


def _row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cell if set(cell) == {'-'} else escaped(cell) for cell in cells)} |"
