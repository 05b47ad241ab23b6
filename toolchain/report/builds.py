"""Two bundles side by side: what each stage of their builds won and cost, and how their students are made.

In:  two manifests.
Out: `BundleComparison`: obstacles, what changed of each model and artifact, stage by stage, the parts that one kept
     float and the other did not, layers, and in sentences where score and time went.
What two measurements say of each other is `compare`'s concern.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from difflib import SequenceMatcher
from itertools import pairwise
from pathlib import PurePath

from edgewright.base.json_values import JsonObject
from edgewright.bundles.build_record import BuildRecord
from edgewright.bundles.schema import Manifest
from edgewright.report.compression import LayerRow, StageRow, compression_of
from edgewright.report.speedup_rows import speedups_of
from edgewright.specs.metrics import goodness, lower_is_better

LEAST_SCORE = 1e-4  # a score that differs by less is the same


@dataclass(frozen=True, kw_only=True)
class QuantityChange:
    """One quantity of one model or artifact; None where one of the two has no such thing."""

    of: str
    name: str
    unit: str
    before: float | None
    after: float | None

    @property
    def percent(self) -> float | None:
        """The change in percent of what it was."""
        if self.before is None or self.after is None or not self.before:
            return None
        return 100 * (self.after - self.before) / self.before


@dataclass(frozen=True, kw_only=True)
class StageDifference:
    """The models after one stage; None where a build has no such stage, or not that many.

    `score_gap` is the second's score less the first's, `gap_change` what that gained since the last stage both have.
    """

    stage: str
    before: StageRow | None
    after: StageRow | None
    score_gap: float | None
    gap_change: float | None


@dataclass(frozen=True, kw_only=True)
class TimeDifference:
    """What one stage of a build took when it was made, in seconds; all of its steps together."""

    stage: str
    before_s: float | None
    after_s: float | None


@dataclass(frozen=True, kw_only=True)
class BundleComparison:
    """`obstacles` say why the two should not be compared; `kept_float` are parts of (both, the first, the second)."""

    before: Manifest
    after: Manifest
    obstacles: tuple[str, ...]
    changes: tuple[QuantityChange, ...]
    stages: tuple[StageDifference, ...]
    build_times: tuple[TimeDifference, ...]
    layers: tuple[tuple[LayerRow | None, LayerRow | None], ...]
    kept_float: tuple[tuple[str, ...], tuple[str, ...], tuple[str, ...]]

    @property
    def where(self) -> tuple[str, ...]:
        """Where score and time went, as far as both are known."""
        metric = self.before.task.metric
        return tuple(told for told in (_where_score(self.stages, metric), _where_time(self.stages)) if told)

    def document(self) -> JsonObject:
        """As `edgewright compare --json` prints it."""
        both, first, second = map(list, self.kept_float)
        return {
            "before": _named(self.before),
            "after": _named(self.after),
            "obstacles": list(self.obstacles),
            "changes": [{**asdict(each), "percent": each.percent} for each in self.changes],
            "stages": [asdict(each) for each in self.stages],
            "build_times": [asdict(each) for each in self.build_times],
            "layers": [
                {"before": asdict(before) if before else None, "after": asdict(after) if after else None}
                for before, after in self.layers
            ],
            "kept_float": {"both": both, "before_only": first, "after_only": second},
            "where": list(self.where),
        }


def compare_bundles(before: Manifest, after: Manifest) -> BundleComparison:
    """What `after` is against `before`. Raises nothing: where they should not be compared, `obstacles` say why."""
    mine, theirs = set(_kept_float(before)), set(_kept_float(after))
    layers = [compression_of(each).layers for each in (before, after)]
    return BundleComparison(
        before=before,
        after=after,
        obstacles=tuple(_obstacles(before, after)),
        changes=tuple(_changes(before, after)),
        stages=stage_differences(before, after),
        build_times=_build_times(before, after),
        layers=tuple(
            tuple(each[place] if place < len(each) else None for each in layers)  # type: ignore[misc]
            for place in range(max(map(len, layers)))
        ),
        kept_float=(tuple(sorted(mine & theirs)), tuple(sorted(mine - theirs)), tuple(sorted(theirs - mine))),
    )


def stage_differences(before: Manifest, after: Manifest) -> tuple[StageDifference, ...]:
    """Both builds' stages in their order, those of the same name beside each other."""
    rows = [compression_of(each).stages for each in (before, after)]
    known = before.task.metric == after.task.metric
    found: list[StageDifference] = []
    last: float | None = None
    for one, other in _aligned(*rows):
        row = one or other
        assert row is not None
        gap = change = None
        if known and one and other and one.score is not None and other.score is not None:
            gap = other.score - one.score
            change = None if last is None else gap - last
            last = gap
        found.append(StageDifference(stage=row.stage, before=one, after=other, score_gap=gap, gap_change=change))
    return tuple(found)


def _aligned(
    before: Sequence[StageRow], after: Sequence[StageRow]
) -> Iterator[tuple[StageRow | None, StageRow | None]]:
    first, second = ([row.stage for row in rows] for rows in (before, after))
    for what, start, end, begin, stop in SequenceMatcher(a=first, b=second, autojunk=False).get_opcodes():
        if what == "equal":
            yield from zip(before[start:end], after[begin:stop], strict=True)
            continue
        yield from ((row, None) for row in before[start:end])
        yield from ((None, row) for row in after[begin:stop])


def _obstacles(before: Manifest, after: Manifest) -> Iterator[str]:
    for what, one, other in (
        ("tasks", before.task.kind, after.task.kind),
        ("metrics", before.task.metric, after.task.metric),
        ("profiles", before.profile, after.profile),
        ("data", _data(before), _data(after)),
    ):
        if one != other:
            yield f"they have other {what}: {one} and {other}"


def _data(manifest: Manifest) -> str:
    """What the held-out part is of, wherever it lay: scores on other examples say nothing of each other."""
    given = manifest.recipe.get("data")
    said = given if isinstance(given, dict) else {}
    return said.get("builtin") or PurePath(str(said.get("file") or said.get("folder") or "unknown")).name


def _changes(before: Manifest, after: Manifest) -> Iterator[QuantityChange]:
    timed = before.machine == after.machine  # latencies are of the machine that built
    for of in ("teacher", "student"):
        one, other = (getattr(each, of) for each in (before, after))
        yield QuantityChange(of=of, name="score", unit="", before=one.score, after=other.score)
        yield QuantityChange(of=of, name="parameters", unit="", before=one.parameters, after=other.parameters)
    runtimes = dict.fromkeys(each.runtime for manifest in (before, after) for each in manifest.artifacts)
    for runtime in runtimes:
        first, second = (
            next((each for each in manifest.artifacts if each.runtime == runtime), None) for manifest in (before, after)
        )
        for name, unit, field in (
            ("score", "", "score"),
            ("size", "bytes", "bytes"),
            ("peak memory where it was built", "bytes", "peak_rss_bytes"),
            *((("latency where it was built", "ms", "latency_ms"),) if timed else ()),
        ):
            yield QuantityChange(
                of=runtime, name=name, unit=unit, before=getattr(first, field, None), after=getattr(second, field, None)
            )
        yield from _speedup_changes(runtime, before, after, timed=timed)


def _speedup_changes(runtime: str, before: Manifest, after: Manifest, *, timed: bool) -> Iterator[QuantityChange]:
    """Against the float teacher: on the profile's core where both are known of it, then where both were built."""
    first, second = (
        next((each for each in speedups_of(manifest) if each.runtime == runtime), None) for manifest in (before, after)
    )
    if first and second and first.there and second.there and first.there.how == second.there.how:
        name = f"speed-up on {first.there.profile} ({first.there.core}), {first.there.how}"
        yield QuantityChange(of=runtime, name=name, unit="×", before=first.there.value, after=second.there.value)
    if timed and first and second and None not in (first.here.value, second.here.value):
        name = f"speed-up where it was built ({first.here.processor or 'its processor is not known'})"
        yield QuantityChange(of=runtime, name=name, unit="×", before=first.here.value, after=second.here.value)


def _build_times(before: Manifest, after: Manifest) -> tuple[TimeDifference, ...]:
    taken: list[dict[str, float]] = []
    for manifest in (before, after):
        sums: dict[str, float] = {}
        for stage in manifest.stages:
            sums[stage.name] = sums.get(stage.name, 0.0) + stage.made_in_seconds
        taken.append(sums)
    names = dict.fromkeys([*taken[0], *taken[1]])
    return tuple(TimeDifference(stage=name, before_s=taken[0].get(name), after_s=taken[1].get(name)) for name in names)


def _kept_float(manifest: Manifest) -> Iterator[str]:
    """The parts, with the runtime where not all artifacts keep the same ones float."""
    build = BuildRecord.of(manifest)
    settings = {each.runtime: build.int8_settings(each.runtime) for each in manifest.artifacts}
    kept = {runtime: set(found.texts("kept_float")) for runtime, found in settings.items() if "kept_float" in found}
    common = set.intersection(*kept.values()) if kept else set()
    yield from common
    for runtime, parts in kept.items():
        yield from (f"{part} ({runtime})" for part in parts - common)


def _where_score(stages: Sequence[StageDifference], metric: str) -> str | None:
    known = [each for each in stages if each.score_gap is not None and not each.stage.startswith("int8 ")]
    finals = [each for each in stages if each.score_gap is not None and each.stage.startswith("int8 ")]
    end = finals[0] if finals else known[-1] if known else None
    if end is None or end.score_gap is None:
        return None
    if abs(end.score_gap) < LEAST_SCORE:
        return f"After {end.stage} both score the same."
    better = " (better)" if goodness(metric, end.score_gap) > 0 else " (worse)"
    told = f"After {end.stage} the second scores {end.score_gap:+.4f}{better if lower_is_better(metric) else ''}"
    sign = 1 if end.score_gap > 0 else -1
    moved = [each for each in (*known, end) if each.gap_change is not None and sign * each.gap_change > LEAST_SCORE]
    if not moved:
        return f"{told}, as it did from the start: their teachers differ."
    most = max(moved, key=lambda each: sign * (each.gap_change or 0.0))
    return f"{told}; most of it comes with {most.stage}: {most.gap_change:+.4f} against the stage before."


def _where_time(stages: Sequence[StageDifference]) -> str | None:
    """By the profile's estimate of the layers, which needs no device."""
    rows = [
        (each.stage, each.before.predicted_layers_ms, each.after.predicted_layers_ms)
        for each in stages
        if each.before and each.after
    ]
    known = [(stage, one, other) for stage, one, other in rows if one and other]
    if not known:
        return None
    ratios = [(stage, other / one) for stage, one, other in known]
    last = ratios[-1][1]
    if abs(last - 1) < 0.005:
        return "By the profile's estimate the layers of both take the same time."
    told = f"By the profile's estimate the second's layers take {last:.2f}× the time of the first's"
    steps = [(ratios[0][0], ratios[0][1])]
    steps += [(stage, ratio / before) for (_, before), (stage, ratio) in pairwise(ratios)]
    most = max(steps, key=lambda each: each[1] if last > 1 else 1 / each[1])
    return f"{told}; most of that comes with {most[0]}."


def _named(manifest: Manifest) -> JsonObject:
    return {
        "name": manifest.name,
        "profile": manifest.profile,
        "created": manifest.created,
        "edgewright": manifest.edgewright,
        "task": manifest.task.kind,
        "metric": manifest.task.metric,
        "best": manifest.best,
    }
