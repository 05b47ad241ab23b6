"""The history, a comparison and a gate's decision on a terminal.

In:  entries of the history, a `Comparison`, a `Decision`.
Out: renderables of rich, in which text from devices and documents is only text.
"""

from __future__ import annotations

from collections.abc import Iterable

from rich.console import Group, RenderableType
from rich.text import Text

from toolchain.report.compare import Comparison, Difference
from toolchain.report.gate import Decision, Outcome
from toolchain.report.terminal import names_report
from toolchain.store import Entry

SHOWN_OPERATORS = 8
SHOWN_DIGITS = 7  # of a commit
HEADS = ("id", "UTC", "bundle", "runtime", "target", "ms", "MB", "score", "commit")
UNKNOWN = "–"
STYLES: dict[Outcome, str] = {"passed": "green", "failed": "bold red", "unsure": "yellow", "unknown": "bold red"}


def entries_report(entries: Iterable[Entry]) -> RenderableType:
    """A row for each entry, as they come; in 80 columns only a bundle's name and a target may be broken.

    A latency with a question mark is of a measurement that was not stable.
    """
    table = names_report(HEADS, (_entry(each) for each in entries))
    table.padding = (0, 1, 0, 0)
    for column in table.columns:
        column.no_wrap = str(column.header) not in ("bundle", "target")
    return table


def comparison_report(comparison: Comparison) -> RenderableType:
    """What changed, where the time went, and whether the two may be compared at all."""
    parts: list[RenderableType] = [Text(f"compared by force: {each}", "yellow") for each in comparison.obstacles]
    rows = [_difference(each) for each in comparison.differences]
    if comparison.score_change is not None:
        before, after = comparison.before.score or 0.0, comparison.after.score or 0.0
        change = f"{comparison.score_change:+.2f} points"
        rows.append((comparison.after.metric, f"{before:.4f}", f"{after:.4f}", change, UNKNOWN))
    parts.append(names_report(("", "before", "after", "change", "95 % interval"), rows))
    if comparison.operators:
        shown = comparison.operators[:SHOWN_OPERATORS]
        cells = (
            (each.name, "delegate" if each.delegated else "own kernel", f"{each.before_ms:.4f}", f"{each.after_ms:.4f}")
            for each in shown
        )
        parts.append(names_report(("operator", "runs in", "before, ms", "after, ms"), cells))
    return Group(*parts)


def decision_report(decision: Decision) -> RenderableType:
    """A sentence for each limit, and the verdict."""
    parts: list[RenderableType] = [
        Text(f"compared by force: {each}", "yellow") for each in decision.comparison.obstacles
    ]
    parts += [Text(f"{each.outcome}: {each.sentence}", STYLES[each.outcome]) for each in decision.findings]
    parts.append(Text("gate passed" if decision.passed else "gate failed", style="bold"))
    return Group(*parts)


def _entry(entry: Entry) -> tuple[str, ...]:
    size = UNKNOWN if entry.artifact_bytes is None else f"{entry.artifact_bytes / 1e6:.2f}"
    p50 = UNKNOWN if entry.p50_ms is None else f"{entry.p50_ms:.3g}{'' if entry.stable else '?'}"
    return (
        str(entry.id),
        entry.created[5:16].replace("T", " "),
        entry.name,
        entry.runtime or UNKNOWN,
        "built" if entry.kind == "build" else entry.target or UNKNOWN,
        p50,
        size,
        UNKNOWN if entry.score is None else f"{entry.score:.3f}",
        (entry.commit or UNKNOWN)[:SHOWN_DIGITS],
    )


def _difference(each: Difference) -> tuple[str, ...]:
    scale, unit = (1e6, "MB") if each.unit == "bytes" else (1.0, each.unit)
    interval = UNKNOWN
    if each.low_percent is not None and each.high_percent is not None:
        interval = f"{each.low_percent:+.2f} to {each.high_percent:+.2f} %"
    before, after = (f"{value / scale:.4g} {unit}" for value in (each.before, each.after))
    return (each.name, before, after, f"{each.change_percent:+.2f} %", interval)
