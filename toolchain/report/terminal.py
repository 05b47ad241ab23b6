"""Results as tables for a terminal.

In:  the documents `build`, `bench` and `run` give with --json.
Out: renderables of rich. Nothing is printed here, and text from data is never read as markup.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from edgewright.report.judged_cells import int8_verdict, parity, rounded, shortened, verdict
from edgewright.report.speedup_rows import cell, sentences
from edgewright.report.table_cells import NOTHING
from edgewright.report.table_cells import megabytes as _megabytes
from edgewright.report.table_cells import number as _number
from edgewright.report.table_cells import plain as _plain
from edgewright.report.table_cells import table as _table

ESTIMATE_NOTE = (
    "est. ms: an estimate from the profile's facts, of the layers alone, in int8. "
    "ms: measured where this was built, not on the device. change: of the score, against the row before; of int8, "
    "against the float student."
)


def build_report(summary: Mapping[str, Any]) -> RenderableType:
    """What was built: models, artifacts, stages, what each won and lost, and the budget."""
    title = Text(f"{summary['bundle']}  for {summary['profile']}", style="bold")
    speedups = [Text(each) for each in sentences(summary["artifacts"])]
    made = (_models(summary), _artifacts(summary), *speedups, _int8(summary))
    notes = (Text(f"Note: {note}", style="yellow") for note in summary.get("notes") or ())
    decided = (Text(f"Teacher: {note}.") for note in summary.get("teacher_notes") or ())
    told = (_stages(summary), compression_report(summary), *decided, *notes)
    return Group(title, *made, *told, verdict(summary["budget"]))


def compression_report(summary: Mapping[str, Any]) -> RenderableType:
    """What each stage made of the model, and where the student leaves its teacher; nothing where nothing is known."""
    parts: list[RenderableType] = []
    if rows := summary.get("compression"):
        parts += [_compression(rows), Text(ESTIMATE_NOTE, style="dim")]
    if vocabulary := summary.get("vocabulary"):
        parts.append(Text(_vocabulary(vocabulary)))
    if layers := summary.get("layers"):
        parts.append(_layers(layers))
    parts += [Text(sentence) for sentence in summary.get("where_lost") or ()]
    return Group(*parts)


def answer_report(heads: Sequence[str], rows: Iterable[Sequence[object]]) -> RenderableType:
    """A task's `answer_table`: texts shortened, numbers rounded; one bare value where there are no heads."""
    if not heads:
        ((value,),) = rows
        return Text(_cell(value))
    return names_report(heads, [[_cell(value) for value in row] for row in rows])


def _cell(value: object) -> str:
    return _number(value) if isinstance(value, int | float) else shortened(str(value or NOTHING))


def names_report(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> Table:
    """A plain table of texts."""
    table = _table(*heads)
    for row in rows:
        table.add_row(*(Text(cell) for cell in row))
    return table


def profile_report(facts: Mapping[str, Any]) -> RenderableType:
    """A profile's facts, each with its confidence and source."""
    table = _table("fact", "value", "sure", "source")
    for name, fact in _leaves(facts):
        sourced = isinstance(fact, Mapping)
        value = fact["value"] if sourced else fact
        shown = _plain(value)
        if sourced and "highest" in fact:
            shown += f" to {_plain(fact['highest'])}"
        marks = (fact["confidence"], fact["source"]) if sourced else ("", "")
        table.add_row(*(Text(cell) for cell in (name, shown, *marks)))
    legend = "R read in a primary source, E seen in an excerpt, C computed, U unverified"
    return Group(table, Text(legend, style="dim"))


def _models(summary: Mapping[str, Any]) -> Table:
    table = _table("model", "score", "parameters", "size", "latency here", numbers_from=1)
    for role in ("teacher", "student"):
        model = summary[role]
        parameters = f"{model['parameters']:,}" if model.get("parameters") is not None else NOTHING
        sizes = (_megabytes(model.get("bytes")), _number(model.get("latency_ms"), " ms"))
        table.add_row(role, _number(model.get("score")), parameters, *sizes)
    baseline = summary.get("baseline")
    if baseline:
        name = Text(f"{baseline['name']} (no network)")
        table.add_row(name, _number(baseline.get("score")), NOTHING, NOTHING, NOTHING)
    return table


def _artifacts(summary: Mapping[str, Any]) -> Table:
    """Speed-ups are of the device that it is for; intervals, and what the build's machine timed, stand below."""
    heads = ("runtime", "artifact", "size", "score", "speed-up there", "outputs")
    table = _table(*heads, numbers_from=2)
    for artifact in summary["artifacts"]:
        table.add_row(
            Text(artifact["runtime"]),
            Text(artifact["file"]),
            _megabytes(artifact.get("bytes")),
            _number(artifact.get("score")),
            cell(artifact.get("speedup"), NOTHING, interval=False),
            parity(artifact.get("parity")),
        )
    return table


def _int8(summary: Mapping[str, Any]) -> RenderableType:
    """Whether int8 was worth it: a sentence for each artifact, and what it does to the outputs."""
    verdicts = [int8_verdict(row) for row in summary.get("int8") or ()]
    return Group(*verdicts, *([Text(said)] if (said := summary.get("precision")) else []))


def _compression(rows: Sequence[Mapping[str, Any]]) -> Table:
    """Narrow enough for 80 columns with two runtimes: of all columns only the stage's name may be broken."""
    runtimes = list(dict.fromkeys(runtime for row in rows for runtime in row.get("measured_ms") or {}))
    timed = [f"{runtime}\nms" for runtime in runtimes]
    table = _table("stage", "params", "MACs", "est.\nms", *timed, "size", "score", "change", numbers_from=1)
    table.padding = 0
    for column in table.columns:
        column.no_wrap = column is not table.columns[0]
    for row in rows:
        measured = row.get("measured_ms") or {}
        table.add_row(
            Text(row["stage"]),
            _counted(row.get("parameters")),
            _counted(row.get("macs")),
            rounded(row.get("predicted_layers_ms")),
            *(rounded(measured.get(runtime)) for runtime in runtimes),
            _megabytes(row.get("bytes")),
            _number(row.get("score")),
            _signed(row.get("score_change")),
        )
    return table


def _layers(rows: Sequence[Mapping[str, Any]]) -> Table:
    heads = ("layer", "teacher's layer", "heads", "neurons", "cosine to teacher", "change")
    table = _table(*heads, numbers_from=0)
    for row in rows:
        counts = (_plain(row.get(name)) for name in ("layer", "from_layer", "heads", "neurons"))
        table.add_row(*map(Text, counts), _number(row.get("cosine")), _signed(row.get("cosine_change")))
    return table


def _vocabulary(vocabulary: Mapping[str, Any]) -> str:
    pieces, of, affected = (vocabulary.get(name) for name in ("pieces", "of", "held_out_tokens_affected"))
    kept = f"all {pieces:,}" if pieces == of else f"{pieces:,} of {NOTHING if of is None else f'{of:,}'}"
    share = NOTHING if affected is None else f"{100 * affected:.3g} %"
    return f"Vocabulary: {kept} pieces stay; {share} of the held-out tokens are split otherwise."


def _stages(summary: Mapping[str, Any]) -> Table:
    table = _table("stage", "time", numbers_from=1)
    for stage in summary["stages"]:
        table.add_row(Text(stage["name"]), "cached" if stage["cached"] else f"{stage['seconds']:.1f} s")
    return table


def _leaves(facts: Mapping[str, Any], prefix: str = "") -> Iterable[tuple[str, Any]]:
    for name, fact in facts.items():
        if isinstance(fact, list) and any(isinstance(each, Mapping) for each in fact):
            yield from _leaves({f"{name}[{place}]": each for place, each in enumerate(fact)}, prefix)
        elif isinstance(fact, Mapping) and "confidence" not in fact:
            yield from _leaves(fact, f"{prefix}{name}.")
        else:
            yield prefix + name, fact


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
