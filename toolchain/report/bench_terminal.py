"""A measurement on a terminal.

In:  the document `bench` gives with --json.
Out: renderables of rich.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from rich.console import Group, RenderableType
from rich.text import Text

from edgewright.report.judged_cells import CLOCK_NOTES, int8_verdict, parity, rounded, shortened, verdict
from edgewright.report.prediction_terminal import interval
from edgewright.report.table_cells import facts as _facts
from edgewright.report.table_cells import latencies as _latencies
from edgewright.report.table_cells import megabytes as _megabytes
from edgewright.report.table_cells import number as _number
from edgewright.report.table_cells import plain as _plain
from edgewright.report.table_cells import table as _table

SHOWN_OPERATORS = 12


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
            ("outputs", parity(summary.get("parity"))),
            ("stable", _plain(summary.get("stable"))),
        ),
        *(Text(reason, style="yellow" if summary.get("stable") else "red") for reason in summary.get("reasons") or ()),
    ]
    if against := summary.get("against_float"):
        parts.append(int8_verdict(against))
    if operators := summary.get("operators"):
        parts.append(_operators(operators))
    if summary["emulated"]:
        parts.append(Text(CLOCK_NOTES.get(summary["clock"], CLOCK_NOTES["wall"]), style="yellow"))
        if summary.get("took_s") is not None:
            spent = f"By this machine's clock the runner took {summary['took_s']:.1f} s, starting and loading included"
            parts.append(Text(f"{spent}; that is of no meaning for a board.", style="yellow"))
    parts.append(verdict(summary["budget"]))
    return Group(*parts)


def _measured_at_once(summary: Mapping[str, Any]) -> str:
    batch = summary.get("batch", 1)
    return "latency p50 / p90 / p99" if batch == 1 else f"p50 / p90 / p99 of {batch} at once"


def _spread(latency: Mapping[str, Any], runs: Sequence[int]) -> Iterable[tuple[str, str]]:
    """The interval of the median, and how many processes it rests on."""
    if latency.get("low") is not None:
        spans = f"{rounded(latency['low'])} to {rounded(latency['high'])} ms (95 %)"
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
        yield "predicted p50", f"{interval(predicted)}; measured {off:+.0f} %; from {predicted['source']}"
    elif predicted:
        yield "predicted p50", f"not known: {predicted['unknown']}"


def _operators(found: Mapping[str, Any]) -> RenderableType:
    """The longest ones; `--json` has all."""
    table = _table("operator", "runs in", "calls", "ms", "share", numbers_from=2)
    for row in found["rows"][:SHOWN_OPERATORS]:
        where = "delegate" if row["delegated"] else "own kernel"
        cells = (str(row["calls"]), rounded(row["ms"]), f"{100 * row['share']:.1f} %")
        table.add_row(Text(shortened(row["name"])), where, *cells)
    shares = {name: f"{100 * found[f'{name}_share']:.0f} %" for name in ("delegated", "own", "between")}
    told = (
        f"{shares['delegated']} in delegates, {shares['own']} in the runtime's own kernels, {shares['between']} between"
    )
    return Group(table, Text(f"Of an inference: {told}."))
