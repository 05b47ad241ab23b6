"""How long a build will take on this machine, told before anything is made.

In:  a `Plan`, the names of its stages, and a walk through them that stops at the first one which is not in the cache.
Out: `Estimate`: which stages will be made, the seconds of each as far as they can be told, and how they were got.
The examples are read first, as their number decides. Trainings are reckoned by their work and the pace of a few steps
that are timed now (`training_pace`); other stages as earlier builds on this machine took, or else a quiet machine of
two cores.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from statistics import median

from edgewright.base import cache
from edgewright.base.json_values import JsonObject
from edgewright.base.progress import EnteredStages, about
from edgewright.stages.account import ACCOUNT
from edgewright.stages.plan import NotMadeError, Plan
from edgewright.stages.read import ReadFindings, read_stage
from edgewright.stages.record_teacher_outputs import RECORDINGS
from edgewright.stages.search_index import INDEX_CORPUS
from edgewright.stages.sensitivity import FIRST
from edgewright.stages.stage import Build, Findings, Stage
from edgewright.stages.train import AWARE, TRAININGS
from edgewright.stages.training_pace import TrainingPace, training_pace

RECORDS = 20  # of a stage, the newest that are looked at
# Of a small student of text on a quiet machine of two cores, where no build before it has recorded any; other
# modalities say where they differ.
USUAL_S = {
    "texts": 15, "images": 5, "vocabulary": 8, "importance": 10, "prune": 25, "low rank": 10, "smooth": 5, "account": 5,
    "sensitivity": 15, "second sensitivity": 15, "index": 5, "time": 20, "sizes": 2, "teacher": 15, "float": 12,
    "int8": 15, "check": 8, "prices": 60,
}  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Expected:
    """A stage that will be made: about how long it takes, and whence that is known ("timed", "recorded", "usual")."""

    name: str
    seconds: float | None
    basis: str


@dataclass(frozen=True, kw_only=True)
class Estimate:
    """What a build has before it; `cached` are the stages that are there already."""

    cached: tuple[str, ...]
    expected: tuple[Expected, ...]
    probe: str

    @property
    def seconds(self) -> float:
        """All that can be told together."""
        return sum(each.seconds or 0.0 for each in self.expected)

    def sentence(self) -> str:
        """In words."""
        if not self.expected:
            return f"Estimate: all {len(self.cached)} stages are in the cache; seconds."
        longest = sorted((each for each in self.expected if each.seconds), key=lambda each: -(each.seconds or 0))[:3]
        told = ", ".join(f"{each.name} {about(each.seconds or 0)}" for each in longest)
        untold = [each.name for each in self.expected if each.seconds is None]
        more = f"; not counted, as it is not known before the model is read: {', '.join(untold)}" if untold else ""
        kept = f", {len(self.cached)} more being in the cache" if self.cached else ""
        return (
            f"Estimate: about {about(self.seconds)} on this machine as busy as it is now, at most, for "
            f"{len(self.expected)} stages ({', '.join(each.name for each in self.expected)}){kept}; most of it: "
            f"{told or 'seconds each'}{more}. {self.probe}"
        )

    def document(self) -> JsonObject:
        """For `--json`."""
        stages = [{"name": each.name, "seconds": each.seconds, "basis": each.basis} for each in self.expected]
        minutes = round(self.seconds / 60, 1)
        return {"minutes": minutes, "stages": stages, "cached": list(self.cached), "how": self.probe}


def estimate(plan: Plan, walk: Callable[[Plan], object], names: Iterable[str]) -> Estimate:
    """What is before this plan's build of stages of these `names`.

    Reads the examples; whatever else is not in the cache is left unmade.
    """
    examples = read_stage(plan.modality).run(Build(plan=plan)).typed("examples", ReadFindings)
    walked = EnteredStages()
    try:
        walk(replace(plan, progress=walked, only_cached=True))
    except NotMadeError as error:
        missing = error.name
    else:
        return Estimate(cached=tuple(walked.names), expected=(), probe="")
    cached, left = tuple(walked.names[:-1]), list(names)
    for name in cached:
        if name in left:
            left.remove(name)
    left = left if missing in left else [missing, *left]
    workload = plan.modality.workload(plan.recipe, examples.folder, examples.findings.examples)
    pace, usual_s = training_pace(plan, examples.folder, workload), {**USUAL_S, **workload.usual_s}
    return Estimate(
        cached=cached,
        expected=tuple(_expected(name, pace, usual_s) for name in left),
        probe=pace.sentence if pace else _UNTIMED,
    )


_UNTIMED = (
    "Trainings are not known before the model is read; the rest is as earlier builds here, or two quiet cores, took."
)


def stage_names(plan: Plan, first: Iterable[Stage[Findings]], runtimes: Sequence[str]) -> Iterator[str]:
    """The stages of a build in their order: the `first` ones up to the student, and those that follow on it.

    A search's `prices` and a second sensitivity may come besides.
    """
    build = Build(plan=plan)
    yield from (stage.name for stage in (*first, ACCOUNT) if stage.applies(build))
    yield FIRST
    if INDEX_CORPUS.applies(build):
        yield INDEX_CORPUS.name
    for runtime in runtimes:
        yield from (f"float {runtime}", f"int8 {runtime}", f"teacher {runtime}", f"check {runtime}")
    yield "time"


def _expected(name: str, pace: TrainingPace | None, usual_s: Mapping[str, float]) -> Expected:
    trained = name in (*TRAININGS, *RECORDINGS, AWARE, "teacher")
    if trained and pace is None:
        return Expected(name=name, seconds=None, basis="unknown")
    if pace is not None and (seconds := pace.seconds(name)) is not None:
        return Expected(name=name, seconds=round(seconds, 1), basis="timed")
    if recorded := cache.recorded_seconds(name, newest=RECORDS):
        return Expected(name=name, seconds=round(median(recorded), 1), basis="recorded")
    usual = usual_s.get(name, usual_s.get(name.partition(" ")[0]))
    return Expected(name=name, seconds=usual, basis="usual" if usual else "unknown")
