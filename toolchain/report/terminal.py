"""Results as tables for a terminal.

In:  the documents `build`, `bench` and `run` give with --json.
Out: renderables of rich. Nothing is printed here, and text from data is never read as markup.
"""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from edgewright.base.fields import Fields
from edgewright.report.judged_cells import int8_verdict, parity, rounded, shortened, verdict
from edgewright.report.speedup_rows import cell, sentences
from edgewright.report.table_cells import NOTHING, megabytes, number, plain, table, text

ESTIMATE_NOTE = (
    "est. ms: an estimate from the profile's facts, of the layers alone, in int8. "
    "ms: measured where this was built, not on the device. change: of the score, against the row before; of int8, "
    "against the float student."
)


def build_report(summary: Mapping[str, object]) -> RenderableType:
    """What was built: models, artifacts, stages, what each won and lost, and the budget."""
    document = Fields(summary)
    title = Text(f"{text(document, 'bundle')}  for {text(document, 'profile')}", style="bold")
    speedups = [Text(each) for each in sentences(document.rows("artifacts"))]
    models = (_models(document), _artifacts(document), *speedups, _int8(document))
    notes = (Text(f"Note: {note}", style="yellow") for note in document.texts("notes"))
    decided = (Text(f"Teacher: {note}.") for note in document.texts("teacher_notes"))
    stages = (_stages(document), compression_report(summary), *decided, *notes)
    return Group(title, *models, *stages, verdict(document.inner("budget")))


def compression_report(summary: Mapping[str, object]) -> RenderableType:
    """What each stage made of the model, and where the student leaves its teacher; nothing where nothing is known."""
    document = Fields(summary)
    parts: list[RenderableType] = []
    if rows := document.rows("compression"):
        parts += [_compression(rows), Text(ESTIMATE_NOTE, style="dim")]
    if vocabulary := document.inner("vocabulary"):
        parts.append(Text(_vocabulary(vocabulary)))
    if layers := document.rows("layers"):
        parts.append(_layers(layers))
    parts += [Text(sentence) for sentence in document.texts("where_lost")]
    return Group(*parts)


def answer_report(heads: Sequence[str], rows: Iterable[Sequence[object]]) -> RenderableType:
    """A task's `answer_table`: texts shortened, numbers rounded; one bare value where there are no heads."""
    if not heads:
        ((value,),) = rows
        return Text(_cell(value))
    return names_report(heads, [[_cell(value) for value in row] for row in rows])


def _cell(value: object) -> str:
    return number(value) if isinstance(value, int | float) else shortened(str(value or NOTHING))


def names_report(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> Table:
    """A plain table of texts."""
    plain_table = table(*heads)
    for row in rows:
        plain_table.add_row(*(Text(cell) for cell in row))
    return plain_table


def files_report(title: str, files: Mapping[str, Path]) -> RenderableType:
    """What files make up, and where each of them lies."""
    return Group(
        Text(title, style="bold"), names_report(("name", "file"), [(name, str(files[name])) for name in files])
    )


def profile_report(facts: Mapping[str, object]) -> RenderableType:
    """A profile's facts, each with its confidence and source."""
    rows = table("fact", "value", "sure", "source")
    for name, fact in _leaves(facts):
        value, marks = plain(fact), ("", "")
        if sourced := Fields.of(fact):
            value = plain(sourced.value("value"))
            if "highest" in sourced:
                value += f" to {plain(sourced.value('highest'))}"
            marks = (text(sourced, "confidence"), text(sourced, "source"))
        rows.add_row(*(Text(cell) for cell in (name, value, *marks)))
    legend = "R read in a primary source, E seen in an excerpt, C computed, U unverified"
    return Group(rows, Text(legend, style="dim"))


def _models(summary: Fields) -> Table:
    rows = table("model", "score", "parameters", "size", "latency here", numbers_from=1)
    for role in ("teacher", "student"):
        model = summary.inner(role)
        sizes = (megabytes(model.number("bytes")), number(model.number("latency_ms"), " ms"))
        rows.add_row(role, number(model.number("score")), _grouped(model.count("parameters")), *sizes)
    if baseline := summary.inner("baseline"):
        name = Text(f"{text(baseline, 'name')} (no network)")
        rows.add_row(name, number(baseline.number("score")), NOTHING, NOTHING, NOTHING)
    return rows


def _artifacts(summary: Fields) -> Table:
    """Speed-ups are of the device that it is for; intervals, and what the build's machine timed, stand below."""
    heads = ("runtime", "artifact", "size", "score", "speed-up there", "outputs")
    rows = table(*heads, numbers_from=2)
    for artifact in summary.rows("artifacts"):
        rows.add_row(
            Text(text(artifact, "runtime")),
            Text(text(artifact, "file")),
            megabytes(artifact.number("bytes")),
            number(artifact.number("score")),
            cell(artifact.value("speedup"), NOTHING, interval=False),
            parity(artifact.inner("parity")),
        )
    return rows


def _int8(summary: Fields) -> RenderableType:
    """Whether int8 was worth it: a sentence for each artifact, and what it does to the outputs."""
    precision = summary.text("precision")
    return Group(*map(int8_verdict, summary.rows("int8")), *([Text(precision)] if precision else []))


def _compression(rows: Sequence[Fields]) -> Table:
    """Narrow enough for 80 columns with two runtimes: of all columns only the stage's name may be broken."""
    runtimes = list(dict.fromkeys(runtime for row in rows for runtime in row.inner("measured_ms").values))
    timed = [f"{runtime}\nms" for runtime in runtimes]
    stages = table("stage", "params", "MACs", "est.\nms", *timed, "size", "score", "change", numbers_from=1)
    stages.padding = 0
    for column in stages.columns:
        column.no_wrap = column is not stages.columns[0]
    for row in rows:
        measured = row.inner("measured_ms")
        stages.add_row(
            Text(text(row, "stage")),
            _counted(row.number("parameters")),
            _counted(row.number("macs")),
            rounded(row.number("predicted_layers_ms")),
            *(rounded(measured.number(runtime)) for runtime in runtimes),
            megabytes(row.number("bytes")),
            number(row.number("score")),
            _signed(row.number("score_change")),
        )
    return stages


def _layers(rows: Sequence[Fields]) -> Table:
    heads = ("layer", "teacher's layer", "heads", "neurons", "cosine to teacher", "change")
    layers = table(*heads, numbers_from=0)
    for row in rows:
        counts = (plain(row.value(name)) for name in ("layer", "from_layer", "heads", "neurons"))
        layers.add_row(*map(Text, counts), number(row.number("cosine")), _signed(row.number("cosine_change")))
    return layers


def _vocabulary(vocabulary: Fields) -> str:
    pieces, of = vocabulary.count("pieces"), vocabulary.count("of")
    affected = vocabulary.number("held_out_tokens_affected")
    kept = f"all {_grouped(pieces)}" if pieces == of else f"{_grouped(pieces)} of {_grouped(of)}"
    share = NOTHING if affected is None else f"{100 * affected:.3g} %"
    return f"Vocabulary: {kept} pieces stay; {share} of the held-out tokens are split otherwise."


def _stages(summary: Fields) -> Table:
    rows = table("stage", "time", numbers_from=1)
    for stage in summary.rows("stages"):
        seconds = stage.number("seconds")
        spent = NOTHING if seconds is None else f"{seconds:.1f} s"
        rows.add_row(Text(text(stage, "name")), "cached" if stage.flag("cached") else spent)
    return rows


def _leaves(facts: Mapping[str, object], prefix: str = "") -> Iterable[tuple[str, object]]:
    for name, fact in facts.items():
        if isinstance(fact, list) and any(isinstance(each, Mapping) for each in fact):
            yield from _leaves({f"{name}[{place}]": each for place, each in enumerate(fact)}, prefix)
        elif isinstance(fact, Mapping) and "confidence" not in fact:
            yield from _leaves(fact, f"{prefix}{name}.")
        else:
            yield prefix + name, fact


def _grouped(count: int | None) -> str:
    """A number with commas."""
    return NOTHING if count is None else f"{count:,}"


def _counted(count: float | None) -> str:
    """A number of parameters or multiply-accumulates, with three figures."""
    if count is None:
        return NOTHING
    for unit, name in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if count >= 0.9995 * unit:
            return f"{count / unit:.3g}{name}"
    return f"{count:g}"


def _signed(change: float | None) -> str:
    return NOTHING if change is None else f"{change:+.4f}"
