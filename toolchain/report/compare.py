"""Two measurements side by side: what changed, how surely, and whether they may be compared at all.

In:  two measurements, as `measured` reads them.
Out: `Comparison`: obstacles, differences with their intervals, and for each kind of operator where the time went.
Two bundles are compared by `builds`, whose stages may stand beside a comparison of what was measured of them.
Whether a change is one too many is `gate`'s decision; where documents are kept is `store`'s.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from itertools import chain
from typing import TYPE_CHECKING

from edgewright.base.json_values import JsonObject
from edgewright.measure.measurement import apart_from_others
from edgewright.measure.stats import Grouped, by_run_and_input, percentile, ratio
from edgewright.report.measured import Measured

if TYPE_CHECKING:  # what it imports takes a tenth of a second, which a gate has no use for
    from edgewright.report.builds import StageDifference

# What of a machine must be the same, as its facts call it.
MACHINE = ("board", "cpu_model", "cpu_parts", "arch", "cores")


LATENCY, FIRST_TOKEN, TOKEN_RATE, TOKEN = "latency", "first token", "tokens per second", "token"
SPEEDS = (LATENCY, FIRST_TOKEN, TOKEN_RATE, TOKEN)


@dataclass(frozen=True, kw_only=True)
class Difference:
    """One quantity before and after; changes are in percent of the former, with their interval where one is known.

    Of one that is `more_is_better` a fall is a change for the worse, of any other a rise.
    """

    name: str
    unit: str
    before: float
    after: float
    change_percent: float
    low_percent: float | None = None
    high_percent: float | None = None
    more_is_better: bool = False


@dataclass(frozen=True, kw_only=True)
class OperatorDifference:
    """What one kind of operator takes of an inference, in ms."""

    name: str
    delegated: bool
    before_ms: float
    after_ms: float


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """`obstacles` say why the two should not be compared; `score_change` is in points of a hundred.

    `stages` are those of the builds, where the bundles of both are at hand.
    """

    before: Measured
    after: Measured
    obstacles: tuple[str, ...]
    differences: tuple[Difference, ...]
    score_change: float | None
    operators: tuple[OperatorDifference, ...]
    stages: tuple[StageDifference, ...] = ()

    @property
    def latency(self) -> Difference | None:
        """That of the latency; None where one of the two has no samples, or writes text."""
        return next((each for each in self.differences if each.name == LATENCY), None)

    @property
    def speeds(self) -> tuple[Difference, ...]:
        """Those of times and rates: of latency, or of first and further tokens; none where there are no samples."""
        return tuple(each for each in self.differences if each.name in SPEEDS)

    def document(self) -> JsonObject:
        """As `edgewright compare --json` prints it."""
        return {
            "before": _named(self.before),
            "after": _named(self.after),
            "obstacles": list(self.obstacles),
            "differences": [asdict(each) for each in self.differences],
            "score_change_points": self.score_change,
            "operators": [asdict(each) for each in self.operators],
            "stages": [asdict(each) for each in self.stages],
        }


def compare(before: Measured, after: Measured) -> Comparison:
    """What `after` is against `before`. Raises nothing: where they should not be compared, `obstacles` say why."""
    differences = [
        _difference("peak memory", "bytes", before.peak_rss_bytes, after.peak_rss_bytes),
        _difference("artifact", "bytes", before.artifact.bytes, after.artifact.bytes),
    ]
    both_write = before.generation is not None and after.generation is not None
    differences[:0] = _writing(before, after) if both_write else [found for found in [_latency(before, after)] if found]
    return Comparison(
        before=before,
        after=after,
        obstacles=tuple(_obstacles(before, after)),
        differences=tuple(differences),
        score_change=_score_change(before, after),
        operators=_operators(before, after),
    )


def _score_change(before: Measured, after: Measured) -> float | None:
    """In points of a hundred; None where one of the two is not known, or they are of other metrics."""
    if before.score is None or after.score is None or before.metric != after.metric:
        return None
    return 100 * (after.score - before.score)


def _latency(before: Measured, after: Measured) -> Difference | None:
    other = len(before.input_lengths) != len(after.input_lengths)  # an obstacle; forced, the whole is compared
    groups = [by_run_and_input(each.latency_by_run, 1) if other else each.grouped_ms for each in (after, before)]
    return _of_times(LATENCY, groups[1], groups[0], after)


def _writing(before: Measured, after: Measured) -> list[Difference]:
    """A first token, over all lengths of prompts, and further ones, over all contexts."""
    assert before.generation is not None
    assert after.generation is not None
    same = before.generation.lengths == after.generation.lengths  # an obstacle where not; then nothing of it is told
    firsts = before.generation.first_token_grouped_ms, after.generation.first_token_grouped_ms
    token = _latency(before, after)
    found = [
        _of_times(FIRST_TOKEN, firsts[0], firsts[1], after) if same else None,
        _of_rates(token, after) if token else None,
    ]
    return [each for each in found if each is not None]


def _of_times(name: str, before: Grouped, after: Grouped, measured: Measured) -> Difference | None:
    """Medians of all samples, and the change of the mean of what inputs take; None where samples lack."""
    if (found := ratio(after, before, apart=apart_from_others(measured.clock, measured.machine))) is None:
        return None
    return Difference(
        name=name,
        unit="ms",
        before=_median(before),
        after=_median(after),
        change_percent=100 * (found.value - 1),
        low_percent=100 * (found.low - 1),
        high_percent=100 * (found.high - 1),
    )


def _of_rates(token: Difference, measured: Measured) -> Difference:
    """What the times of tokens say of their rate; by a clock of instructions there is none, and their times stay."""
    if measured.clock == "instructions":
        return replace(token, name=TOKEN)
    low, high = (100 * (100 / (100 + each) - 1) for each in (token.high_percent or 0.0, token.low_percent or 0.0))
    return Difference(
        name=TOKEN_RATE,
        unit="tokens/s",
        before=1e3 / token.before if token.before else 0.0,
        after=1e3 / token.after if token.after else 0.0,
        change_percent=100 * (100 / (100 + token.change_percent) - 1),
        low_percent=low,
        high_percent=high,
        more_is_better=True,
    )


def _median(grouped: Grouped) -> float:
    return percentile(list(chain.from_iterable(chain.from_iterable(grouped))), 50)


def _difference(name: str, unit: str, before: float, after: float) -> Difference:
    change = 100 * (after - before) / before if before else 0.0
    return Difference(name=name, unit=unit, before=before, after=after, change_percent=change)


def _obstacles(before: Measured, after: Measured) -> Iterator[str]:
    for what, one, other in (
        ("clocks", before.clock, after.clock),
        ("runtimes", _runtime(before), _runtime(after)),
        ("numbers of threads", before.threads, after.threads),
        ("batches", before.batch, after.batch),
        ("cores", list(before.cores) or "any", list(after.cores) or "any"),
    ):
        if one != other:
            yield f"they have other {what}: {one} and {other}"
    if before.input_lengths and after.input_lengths and before.input_lengths != after.input_lengths:
        yield "they were given other inputs, whose sizes differ"
    if (before.generation is None) != (after.generation is None):
        yield "one generates text, and the other does not"
    elif before.generation and after.generation and before.generation.lengths != after.generation.lengths:
        yield "their prompts had other lengths"
    for fact in MACHINE:
        here, there = before.machine.get(fact), after.machine.get(fact)
        if here is not None and there is not None and here != there:
            yield f"they ran on other machines: {fact} is {here} and {there}"
    for name, each in (("first", before), ("second", after)):
        if not each.stable:
            yield f"the {name} is not stable: {'; '.join(each.reasons) or 'it does not say why'}"


def _runtime(measured: Measured) -> str:
    return f"{measured.artifact.runtime} {measured.artifact.runtime_version}"


def _operators(before: Measured, after: Measured) -> tuple[OperatorDifference, ...]:
    """The largest changes first; nothing where either was measured without them."""
    if before.operators is None or after.operators is None:
        return ()
    taken: dict[tuple[str, bool], list[float]] = {}
    for place, measured in enumerate((before.operators, after.operators)):
        for row in measured.rows:
            taken.setdefault((row.name, row.delegated), [0.0, 0.0])[place] += row.ms
    rows = (
        OperatorDifference(name=name, delegated=delegated, before_ms=times[0], after_ms=times[1])
        for (name, delegated), times in taken.items()
    )
    return tuple(sorted(rows, key=lambda row: -abs(row.after_ms - row.before_ms)))


def _named(measured: Measured) -> JsonObject:
    artifact = measured.artifact
    return {
        "bundle": measured.name or measured.bundle,
        "target": measured.target,
        "clock": measured.clock,
        "runtime": artifact.runtime,
        "runtime_version": artifact.runtime_version,
        "sha256": artifact.sha256,
        "stable": measured.stable,
        "score": measured.score,
    }
