"""The history, a comparison and a gate's decision on a terminal.

In:  entries of the history, a `Comparison` of measurements or of bundles, a `Decision`.
Out: renderables of rich, in which text from devices and documents is only text.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from rich.console import Group, RenderableType
from rich.text import Text

from edgewright.report.compare import Comparison, Difference
from edgewright.report.gate import Decision, Outcome
from edgewright.report.terminal import names_report
from edgewright.store.history import HistoryEntry

if TYPE_CHECKING:
    from edgewright.report.builds import BundleComparison, QuantityChange, StageDifference
    from edgewright.report.compression import LayerRow, StageRow

SHOWN_OPERATORS = 8
SHOWN_DIGITS = 7  # of a commit
SHOWN_S = 0.5  # shorter stages of a build are left out
HEADS = ("id", "UTC", "bundle", "runtime", "target", "ms", "MB", "score", "commit")
UNKNOWN = "–"
STYLES: dict[Outcome, str] = {"passed": "green", "failed": "bold red", "unsure": "yellow", "unknown": "bold red"}


def entries_report(entries: Iterable[HistoryEntry]) -> RenderableType:
    """A row for each entry, as they come; in 80 columns only a bundle's name and a target may be broken.

    A latency with a question mark is of a measurement that was not stable; one such as 12/s is of tokens a second.
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
    if comparison.stages:
        parts.append(_stages(comparison.stages))
    return Group(*parts)


def bundles_report(comparison: BundleComparison) -> RenderableType:
    """What changed of each model and artifact, stage by stage, and how the students differ."""
    parts: list[RenderableType] = [Text(f"compared by force: {each}", "yellow") for each in comparison.obstacles]
    parts.append(names_report(("of", "", "before", "after", "change"), (_change(each) for each in comparison.changes)))
    parts += [_stages(comparison.stages), *(Text(sentence) for sentence in comparison.where)]
    if any(one != other for one, other in comparison.layers):
        heads = ("layer", "before: from, heads, neurons", "after: from, heads, neurons")
        rows = ((str(place), _layer(one), _layer(other)) for place, (one, other) in enumerate(comparison.layers))
        parts.append(names_report(heads, rows))
    for names, told in zip(comparison.kept_float, ("both", "only the first", "only the second"), strict=True):
        if names:
            parts.append(Text(f"Kept in float by {told}: {', '.join(names)}."))
    times = [each for each in comparison.build_times if max(each.before_s or 0.0, each.after_s or 0.0) >= SHOWN_S]
    rows_s = ((each.stage, _seconds(each.before_s), _seconds(each.after_s)) for each in times)
    parts.append(names_report(("building it took", "before", "after"), rows_s))
    return Group(*parts)


def decision_report(decision: Decision) -> RenderableType:
    """A sentence for each limit, and the verdict."""
    parts: list[RenderableType] = [
        Text(f"compared by force: {each}", "yellow") for each in decision.comparison.obstacles
    ]
    parts += [Text(f"{each.outcome}: {each.sentence}", STYLES[each.outcome]) for each in decision.findings]
    parts.append(Text("gate passed" if decision.passed else "gate failed", style="bold"))
    return Group(*parts)


def _entry(entry: HistoryEntry) -> tuple[str, ...]:
    size = UNKNOWN if entry.artifact_bytes is None else f"{entry.artifact_bytes / 1e6:.2f}"
    return (
        str(entry.id),
        entry.created[5:16].replace("T", " "),
        entry.name,
        entry.runtime or UNKNOWN,
        "built" if entry.kind == "build" else entry.target or UNKNOWN,
        _speed(entry),
        size,
        UNKNOWN if entry.score is None else f"{entry.score:.3f}",
        (entry.commit or UNKNOWN)[:SHOWN_DIGITS],
    )


def _speed(entry: HistoryEntry) -> str:
    """What an inference takes, or of what writes text how many tokens come a second."""
    doubt = "" if entry.stable else "?"
    if entry.tokens_per_second is not None:
        return f"{entry.tokens_per_second:.3g}/s{doubt}"
    return UNKNOWN if entry.p50_ms is None else f"{entry.p50_ms:.3g}{doubt}"


def _stages(stages: Sequence[StageDifference]) -> RenderableType:
    """The gap is the second's score less the first's; it moves where a stage served one better than the other."""
    heads = ("after stage", "params", "→", "score", "→", "gap", "moved by")
    rows = (
        (
            each.stage,
            *(UNKNOWN if row is None or row.parameters is None else f"{row.parameters:,}" for row in _both(each)),
            *(UNKNOWN if row is None or row.score is None else f"{row.score:.4f}" for row in _both(each)),
            *(UNKNOWN if value is None else f"{value:+.4f}" for value in (each.score_gap, each.gap_change)),
        )
        for each in stages
    )
    return names_report(heads, rows)


def _both(each: StageDifference) -> tuple[StageRow | None, StageRow | None]:
    return each.before, each.after


def _change(each: QuantityChange) -> tuple[str, ...]:
    scale, unit = (1e6, " MB") if each.unit == "bytes" else (1.0, f" {each.unit}" if each.unit else "")
    plain = "{:,.0f}" if each.name == "parameters" else "{:.4g}"
    before, after = (
        UNKNOWN if value is None else f"{plain.format(value / scale)}{unit}" for value in (each.before, each.after)
    )
    change = UNKNOWN if each.percent is None else f"{each.percent:+.2f} %"
    return (each.of, each.name, before, after, change)


def _layer(row: LayerRow | None) -> str:
    if row is None:
        return UNKNOWN
    counts = (row.from_layer, row.heads, row.neurons)
    return ", ".join(UNKNOWN if each is None else str(each) for each in counts)


def _seconds(value: float | None) -> str:
    return UNKNOWN if value is None else f"{value:.1f} s"


def _difference(each: Difference) -> tuple[str, ...]:
    scale, unit = (1e6, "MB") if each.unit == "bytes" else (1.0, each.unit)
    interval = UNKNOWN
    if each.low_percent is not None and each.high_percent is not None:
        interval = f"{each.low_percent:+.2f} to {each.high_percent:+.2f} %"
    before, after = (f"{value / scale:.4g} {unit}" for value in (each.before, each.after))
    return (each.name, before, after, f"{each.change_percent:+.2f} %", interval)
