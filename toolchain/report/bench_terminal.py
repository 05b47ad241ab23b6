"""A measurement on a terminal.

In:  the document `bench` gives with --json.
Out: renderables of rich.
"""

from collections.abc import Iterable, Mapping

from rich.console import Group, RenderableType
from rich.text import Text

from edgewright.base.fields import Fields
from edgewright.report.generation_terminal import difference, expected_writing, generation_report
from edgewright.report.judged_cells import CLOCK_NOTES, int8_verdict, parity, rounded, shortened, verdict
from edgewright.report.prediction_terminal import interval
from edgewright.report.table_cells import NOTHING, facts, latencies, megabytes, number, percent, plain, table, text

SHOWN_OPERATORS = 12


def bench_report(summary: Mapping[str, object]) -> RenderableType:
    """What was measured, on which machine, by which clock, and the budget."""
    found = Fields(summary)
    artifact, latency, stable = found.inner("artifact"), found.inner("latency_ms"), found.value("stable")
    about = f"{text(artifact, 'runtime')}, {megabytes(artifact.number('bytes'))}"
    parts: list[RenderableType] = [
        Text(f"{text(found, 'bundle')}  on {text(found, 'target')}", style="bold"),
        facts(
            ("artifact", f"{text(artifact, 'file')} ({about})"),
            (_measured_at_once(found), latencies(latency)),
            *_spread(latency, found.series("runs")),
            *_throughput(found),
            *_expected(found),
            ("load", number(found.number("load_ms"), " ms")),
            ("first inference", number(found.number("first_inference_ms"), " ms")),
            *_cold(found.inner("cold")),
            ("peak memory", megabytes(found.number("peak_rss_bytes"))),
            *_phases(found.inner("memory")),
            *_energy(found.numbers("energy_mj")),
            ("outputs", parity(found.inner("parity"))),
            ("stable", plain(stable)),
        ),
        *(Text(reason, style="yellow" if stable else "red") for reason in found.texts("reasons")),
    ]
    if generation := found.inner("generation"):
        parts += generation_report(generation, emulated=found.flag("emulated"))
    if against := found.inner("against_float"):
        parts.append(int8_verdict(against))
    if operators := found.inner("operators"):
        parts.append(_operators(operators))
    if found.flag("emulated"):
        parts += _emulated(found)
    parts.append(verdict(found.inner("budget")))
    return Group(*parts)


def _emulated(found: Fields) -> Iterable[Text]:
    """What an emulator's times are worth."""
    yield Text(CLOCK_NOTES.get(found.text("clock") or "wall", CLOCK_NOTES["wall"]), style="yellow")
    if (took_s := found.number("took_s")) is not None:
        spent = f"By this machine's clock the runner took {took_s:.1f} s, starting and loading included"
        yield Text(f"{spent}; that is of no meaning for a board.", style="yellow")


def _measured_at_once(found: Fields) -> str:
    if found.inner("generation"):
        return "a token p50 / p90 / p99"
    batch = found.count("batch") or 1
    return "latency p50 / p90 / p99" if batch == 1 else f"p50 / p90 / p99 of {batch} at once"


def _throughput(found: Fields) -> Iterable[tuple[str, str]]:
    """Of what writes text that is told by context."""
    if not found.inner("generation"):
        yield "examples a second", number(found.number("examples_per_second"), "")


def _spread(latency: Fields, runs: tuple[float, ...]) -> Iterable[tuple[str, str]]:
    """The interval of the median, and how many processes it rests on."""
    if (low := latency.number("low")) is not None:
        spans = f"{rounded(low)} to {rounded(latency.number('high'))} ms (95 %)"
        yield "median", f"{spans}, {sum(runs)} samples of {len(runs)} {'process' if len(runs) == 1 else 'processes'}"


def _cold(cold: Fields) -> Iterable[tuple[str, str]]:
    """The first process, which read the artifact from storage."""
    if cold:
        load, first = (number(cold.number(name), " ms") for name in ("load_ms", "first_inference_ms"))
        yield "from storage", f"load {load}, first inference {first}"


def _phases(memory: Fields) -> Iterable[tuple[str, str]]:
    """What of the memory is whose: the runner's alone, and at the end the model's own and what is mapped from files."""
    start, steady = memory.inner("start"), memory.inner("steady") or memory.inner("decode")
    runner = start.number("rss_bytes")
    anonymous, mapped = steady.number("anonymous_bytes"), steady.number("file_bytes")
    if runner is not None and anonymous is not None and mapped is not None:
        kinds = f"{megabytes(anonymous)} anonymous, {megabytes(mapped)} of files"
        yield "memory at the end", f"{kinds}; the runner alone has {megabytes(runner)}"


def _energy(energy_mj: Mapping[str, float]) -> Iterable[tuple[str, str]]:
    """By the machine's own meters, with all that ran on it."""
    if energy_mj:
        yield "energy of one", ", ".join(f"{number(value, ' mJ')} ({name})" for name, value in energy_mj.items())


def _expected(found: Fields) -> Iterable[tuple[str, str]]:
    """What was predicted, and how far the measurement is from it."""
    predicted = found.inner("predicted")
    if "unknown" in predicted:
        yield "predicted p50", f"not known: {text(predicted, 'unknown')}"
        return
    written = found.inner("generation")
    if written and written.number("first_token_ms") is not None:
        yield from expected_writing(predicted.inner("writing"), written, source=text(predicted, "source"))
    elif predicted:
        off = difference(found.inner("latency_ms").number("p50"), predicted.number("latency_ms"))
        yield "predicted p50", f"{interval(predicted)}; measured {off}; from {text(predicted, 'source')}"


def _operators(found: Fields) -> RenderableType:
    """The longest ones; `--json` has all."""
    rows = table("operator", "runs in", "calls", "ms", "share", numbers_from=2)
    for row in found.rows("rows")[:SHOWN_OPERATORS]:
        where = "delegate" if row.flag("delegated") else "own kernel"
        share = row.number("share")
        of_all = NOTHING if share is None else f"{100 * share:.1f} %"
        rows.add_row(
            Text(shortened(text(row, "name"))), where, plain(row.value("calls")), rounded(row.number("ms")), of_all
        )
    delegated, own, between = (percent(found.number(f"{name}_share")) for name in ("delegated", "own", "between"))
    places = f"{delegated} in delegates, {own} in the runtime's own kernels, {between} between"
    return Group(rows, Text(f"Of an inference: {places}."))
