"""Predictions and advice on a terminal.

In:  the documents `predict` and `advise` give with --json.
Out: renderables of rich.
"""

from collections.abc import Iterator, Mapping, Sequence

from rich.console import Group, RenderableType
from rich.text import Text

from edgewright.base.fields import Fields
from edgewright.report.judged_cells import CLOCK_NOTES, rounded, verdict
from edgewright.report.table_cells import NOTHING, facts, megabytes, percent, table, text

SHOWN_KINDS = 4


def prediction_report(predictions: Sequence[Mapping[str, object]]) -> RenderableType:
    """What is to be expected on a device: of each runtime latency, what limits it, memory, and the budget."""
    parts: list[RenderableType] = []
    for row in map(Fields, predictions):
        memory, spread = row.number("peak_memory_bytes"), row.number("memory_spread")
        most = None if memory is None or spread is None else memory * (1 + spread)
        parts += [
            Text(prediction_title(row), style="bold"),
            facts(
                *_writing(row.inner("writing")),
                ("a token" if row.inner("writing").rows("rates") else "latency", interval(row)),
                ("limited by", _shares(row, row.numbers("by_limit"))),
                ("most of it", _shares(row, row.numbers("by_kind"), most=SHOWN_KINDS)),
                ("peak memory", f"{megabytes(memory)} (up to {megabytes(most)})"),
                ("from", text(row, "source")),
            ),
            *(Text(note, style="yellow") for note in row.texts("notes")),
            *([Text(CLOCK_NOTES["instructions"], style="yellow")] if row.text("clock") == "instructions" else []),
            verdict(row.inner("budget")),
        ]
    return Group(*parts)


def _writing(writing: Fields) -> Iterator[tuple[str, str]]:
    """Of an artifact that generates: first tokens, tokens a second and memory by context, and what memory lets through.

    Nothing of another.
    """
    rates = writing.rows("rates")
    if not rates:
        return
    firsts = [
        f"{each.count('prompt_tokens')} tokens {rounded(each.number('first_token_ms'))} ms"
        for each in writing.rows("first_tokens")
    ]
    yield "first token", ", ".join(f"after {each}" for each in firsts)
    paces = (
        f"{rounded(each.number('tokens_per_second'))} ({rounded(each.number('low_tokens_per_second'))} to "
        f"{rounded(each.number('high_tokens_per_second'))}) at a context of {each.count('context')}"
        for each in rates
    )
    yield "tokens a second", ", ".join(paces)
    low, high = (rounded(each) for each in writing.series("bound"))
    read = megabytes(rates[-1].number("bytes_per_token"))
    yield "memory allows", f"{low} to {high} tokens a second, as each reads {read}"
    peaks = (f"{megabytes(each.number('peak_memory_bytes'))} at {each.count('context')}" for each in rates)
    yield "memory by context", ", ".join(peaks)
    yield "largest context", f"{writing.count('largest_context')} tokens fit into the device's memory"


def prediction_title(row: Fields) -> str:
    """What is predicted, and for which device."""
    length, threads = row.count("length"), row.count("threads") or 1
    unit = "tokens of context" if row.inner("writing").rows("rates") else "tokens"
    tokens = f", {length} {unit}" if length else ""
    return f"{_artifact(row)}{tokens}, {threads} thread{'s' if threads > 1 else ''}"


def advice_report(advice: Sequence[Mapping[str, object]]) -> RenderableType:
    """What limits each artifact, what would change that, and what int8 does there."""
    parts: list[RenderableType] = []
    for row in map(Fields, advice):
        parts += [Text(_artifact(row), style="bold")]
        parts += [Text(sentence) for sentence in row.texts("limits")]
        if changes := row.rows("changes"):
            rows = table("faster", "ms", "change", "how", "in return")
            for each in changes:
                faster = each.number("faster")
                cells = (
                    NOTHING if faster is None else f"{faster:.2f}×",
                    rounded(each.number("latency_ms")),
                    *(text(each, name) for name in ("what", "how", "costs")),
                )
                rows.add_row(*map(Text, cells))
            parts += [rows, Text("Each by itself: two together buy less than their sum.", style="dim")]
        parts += [Text(f"Buys nothing here: {sentence}.") for sentence in row.texts("no_changes")]
        parts += _sizes(row.rows("sizes"))
        parts += [Text(sentence) for sentence in row.inner("int8").texts("sentences")]
        parts += [Text(note, style="yellow") for note in row.texts("notes")]
    return Group(*parts)


def _sizes(sizes: Sequence[Fields]) -> Iterator[RenderableType]:
    """Of a model that writes whose budget is missed: the largest value of each setting that keeps it."""
    if not any(each.texts("missed") for each in sizes):
        return
    rows = table("setting", "now", "largest that keeps the budget")
    for each in sizes:
        largest = each.count("largest")
        kept = f"none: {', '.join(each.texts('missed'))} stays missed" if largest is None else str(largest)
        rows.add_row(*map(Text, (text(each, "setting"), str(each.count("now")), kept)))
    yield rows


def interval(predicted: Fields) -> str:
    """A latency, and what it lies between in nine cases of ten."""
    latency, low, high = (rounded(predicted.number(name)) for name in ("latency_ms", "low_ms", "high_ms"))
    return f"{latency} ms ({low} to {high})"


def _artifact(row: Fields) -> str:
    return f"{text(row, 'runtime')} {text(row, 'precision')} on {text(row, 'profile')}"


def _shares(row: Fields, parts_ms: Mapping[str, float], *, most: int | None = None) -> str:
    """The largest parts of a latency first."""
    latency_ms = row.number("latency_ms")
    ordered = sorted(parts_ms.items(), key=lambda each: -each[1])[:most]
    return ", ".join(f"{name} {percent(ms / latency_ms if latency_ms else None)}" for name, ms in ordered)
