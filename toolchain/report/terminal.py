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
from edgewright.report.speedups import cell, sentences
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


<<<<<<< HEAD
def answer_report(heads: Sequence[str], rows: Iterable[Sequence[Any]]) -> RenderableType:
=======
def bench_report(summary: Mapping[str, Any]) -> RenderableType:
    """What was measured, on which machine, by which clock, and the budget."""
    artifact = summary["artifact"]
    parts: list[RenderableType] = [
        Text(f"{summary['bundle']}  on {summary['target']}", style="bold"),
        _facts(
            ("artifact", f"{artifact['file']} ({artifact['runtime']}, {_megabytes(artifact['bytes'])})"),
            (_measured_at_once(summary), _latencies(summary["latency_ms"])),
            *_spread(summary["latency_ms"], summary.get("runs", ())),
            ("examples a second", _number(summary.get("examples_per_second"), "")),
            *_expected(summary),
            ("load", _number(summary.get("load_ms"), " ms")),
            ("first inference", _number(summary.get("first_inference_ms"), " ms")),
            *_cold(summary.get("cold")),
            ("peak memory", _megabytes(summary.get("peak_rss_bytes"))),
            *_phases(summary.get("memory") or {}),
            *_energy(summary.get("energy_mj") or {}),
            ("outputs", _parity(summary.get("parity"))),
            ("stable", _plain(summary.get("stable"))),
        ),
        *(Text(reason, style="yellow" if summary.get("stable") else "red") for reason in summary.get("reasons") or ()),
    ]
    if against := summary.get("against_float"):
        parts.append(_int8_verdict(against))
    if operators := summary.get("operators"):
        parts.append(_operators(operators))
    if summary["emulated"]:
        parts.append(Text(CLOCK_NOTES.get(summary["clock"], CLOCK_NOTES["wall"]), style="yellow"))
        if summary.get("took_s") is not None:
            spent = f"By this machine's clock the runner took {summary['took_s']:.1f} s, starting and loading included"
            parts.append(Text(f"{spent}; that is of no meaning for a board.", style="yellow"))
    parts.append(_verdict(summary["budget"]))
    return Group(*parts)


def _measured_at_once(summary: Mapping[str, Any]) -> str:
    batch = summary.get("batch", 1)
    return "latency p50 / p90 / p99" if batch == 1 else f"p50 / p90 / p99 of {batch} at once"


def _spread(latency: Mapping[str, Any], runs: Sequence[int]) -> Iterable[tuple[str, str]]:
    """The interval of the median, and how many processes it rests on."""
    if latency.get("low") is not None:
        spans = f"{_rounded(latency['low'])} to {_rounded(latency['high'])} ms (95 %)"
        yield "median", f"{spans}, {sum(runs)} samples of {len(runs)} {'process' if len(runs) == 1 else 'processes'}"


def _cold(cold: Mapping[str, Any] | None) -> Iterable[tuple[str, str]]:
    """The first process, which read the artifact from storage."""
    if cold:
        load, first = (_number(cold[name], " ms") for name in ("load_ms", "first_inference_ms"))
        yield "from storage", f"load {load}, first inference {first}"


def _phases(memory: Mapping[str, Mapping[str, int]]) -> Iterable[tuple[str, str]]:
    """What of the memory is whose: the runner's alone, and at the end the model's own and what is mapped from files."""
    start, steady = memory.get("start", {}), memory.get("steady", {})
    if "rss_bytes" in start and {"anonymous_bytes", "file_bytes"} <= steady.keys():
        kinds = f"{_megabytes(steady['anonymous_bytes'])} anonymous, {_megabytes(steady['file_bytes'])} of files"
        yield "memory at the end", f"{kinds}; the runner alone has {_megabytes(start['rss_bytes'])}"


def _energy(energy_mj: Mapping[str, float]) -> Iterable[tuple[str, str]]:
    """By the machine's own meters, with all that ran on it."""
    if energy_mj:
        yield "energy of one", ", ".join(f"{_number(value, ' mJ')} ({name})" for name, value in energy_mj.items())


def _expected(summary: Mapping[str, Any]) -> Iterable[tuple[str, str]]:
    """What was predicted, and how far the measurement is from it."""
    predicted = summary.get("predicted")
    if predicted and "unknown" not in predicted:
        off = 100 * (summary["latency_ms"]["p50"] / predicted["latency_ms"] - 1)
        yield "predicted p50", f"{_interval(predicted)}; measured {off:+.0f} %; from {predicted['source']}"
    elif predicted:
        yield "predicted p50", f"not known: {predicted['unknown']}"


def _interval(predicted: Mapping[str, Any]) -> str:
    low, high = (_rounded(predicted[name]) for name in ("low_ms", "high_ms"))
    return f"{_rounded(predicted['latency_ms'])} ms ({low} to {high})"


def prediction_report(found: Sequence[Mapping[str, Any]]) -> RenderableType:
    """What is to be expected on a device: of each runtime latency, what limits it, memory, and the budget."""
    parts: list[RenderableType] = []
    for row in found:
        of = f", {row['length']} tokens" if row["length"] else ""
        title = f"{row['runtime']} {row['precision']} on {row['profile']}{of}, {row['threads']} thread"
        title += "s" if row["threads"] > 1 else ""
        shares = sorted(row["by_limit"].items(), key=lambda each: -each[1])
        kinds = sorted(row["by_kind"].items(), key=lambda each: -each[1])[:SHOWN_KINDS]
        memory, spread = row["peak_memory_bytes"], row["memory_spread"]
        parts += [
            Text(title, style="bold"),
            _facts(
                ("latency", _interval(row)),
                ("limited by", ", ".join(f"{name} {_share(ms, row)}" for name, ms in shares)),
                ("most of it", ", ".join(f"{name} {_share(ms, row)}" for name, ms in kinds)),
                ("peak memory", f"{_megabytes(memory)} (up to {_megabytes(memory * (1 + spread))})"),
                ("from", row["source"]),
            ),
            *(Text(note, style="yellow") for note in row["notes"]),
            *([Text(CLOCK_NOTES["instructions"], style="yellow")] if row["clock"] == "instructions" else []),
            _verdict(row["budget"]),
        ]
    return Group(*parts)


def advice_report(found: Sequence[Mapping[str, Any]]) -> RenderableType:
    """What limits each artifact, what would change that, and what int8 does there."""
    parts: list[RenderableType] = []
    for row in found:
        parts += [Text(f"{row['runtime']} {row['precision']} on {row['profile']}", style="bold")]
        parts += [Text(sentence) for sentence in row["limits"]]
        if row["changes"]:
            table = _table("faster", "ms", "change", "how", "in return")
            for each in row["changes"]:
                cells = (
                    f"{each['faster']:.2f}×",
                    _rounded(each["latency_ms"]),
                    each["what"],
                    each["how"],
                    each["costs"],
                )
                table.add_row(*map(Text, cells))
            parts += [table, Text("Each by itself: two together buy less than their sum.", style="dim")]
        parts += [Text(f"Buys nothing here: {sentence}.") for sentence in row["no_changes"]]
        parts += [Text(sentence) for sentence in row["int8"]["sentences"]]
        parts += [Text(note, style="yellow") for note in row["notes"]]
    return Group(*parts)


def _share(ms: float, row: Mapping[str, Any]) -> str:
    return f"{100 * ms / row['latency_ms']:.0f} %"


def _operators(found: Mapping[str, Any]) -> RenderableType:
    """The longest ones; `--json` has all."""
    table = _table("operator", "runs in", "calls", "ms", "share", numbers_from=2)
    for row in found["rows"][:SHOWN_OPERATORS]:
        where = "delegate" if row["delegated"] else "own kernel"
        cells = (str(row["calls"]), _rounded(row["ms"]), f"{100 * row['share']:.1f} %")
        table.add_row(Text(_short(row["name"])), where, *cells)
    shares = {name: f"{100 * found[f'{name}_share']:.0f} %" for name in ("delegated", "own", "between")}
    told = (
        f"{shares['delegated']} in delegates, {shares['own']} in the runtime's own kernels, {shares['between']} between"
    )
    return Group(table, Text(f"Of an inference: {told}."))


def answer_report(heads: Sequence[str], rows: Iterable[Sequence[object]]) -> RenderableType:
>>>>>>> 5af56f4 (Tests of tasks and of recipes' sections lie beside what they test)
    """A task's `answer_table`: texts shortened, numbers rounded; one bare value where there are no heads."""
    if not heads:
        ((value,),) = rows
        return Text(_cell(value))
    return names_report(heads, [[_cell(value) for value in row] for row in rows])


<<<<<<< HEAD
def _cell(value: Any) -> str:
    return shortened(value) if isinstance(value, str) else _number(value)
=======
def _cell(value: object) -> str:
    return _number(value) if isinstance(value, int | float) else _short(str(value or NOTHING))


def _short(text: str) -> str:
    """As much of a text as a table has room for; `--json` has it whole."""
    return shorten(text, SHOWN_CHARACTERS, placeholder=" …")
>>>>>>> 5af56f4 (Tests of tasks and of recipes' sections lie beside what they test)


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
