"""How long a build will take on this machine, told before anything is made.

In:  a `Plan`, and a walk through its stages that stops at the first one which is not in the cache.
Out: `Estimate`: which stages will be made, the seconds of each as far as they can be told, and how they were got.
The examples are read first, as their number decides. Trainings are reckoned by their work and the pace of a few steps
that are timed now; other stages as earlier builds on this machine took, or else a quiet machine of two cores.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from statistics import median
from typing import Any

import torch

from edgewright.base import cache
from edgewright.base.progress import about
from edgewright.data.images import Images
from edgewright.data.texts import Texts
from edgewright.errors import InputError, ToolchainError
from edgewright.modality.image import IMAGES
from edgewright.modality.text import COUNTED_TOKENS, TEXTS
from edgewright.modality.tokenizer import Encoded
from edgewright.models.inputs import ImageInputs, Inputs, TextInputs, batch_for
from edgewright.models.macs import sizes
from edgewright.models.schedule import Schedule
from edgewright.models.training import train
from edgewright.specs.recipe import Distill, Recipe
from edgewright.stages.chosen_sizes import are_open, sized
from edgewright.stages.plan import NotMadeError, Plan
from edgewright.stages.planned_student import Planned, planned
from edgewright.stages.read import read_stage
from edgewright.stages.record_teacher_outputs import RECORDINGS
from edgewright.stages.stage import Build
from edgewright.stages.train import LESSONS, usual_work
from edgewright.tasks.table import task_of

PROBE_STEPS, PROBE_LENGTH = 4, 32
FORWARD_SHARE = 1 / 3  # of a training step's products that are those of the forward pass
SAMPLE_TEXTS = 300
PIECES_A_WORD = 1.4
LEAST_SHARE = 0.2  # of its teacher's pace an image: a tenth of the products is no tenth of the time
RECORDS = 20  # of a stage, the newest that are looked at
# Of a small student of text on a quiet machine of two cores, where no build before it has recorded any.
USUAL_S = {
    "texts": 15, "images": 5, "vocabulary": 8, "importance": 10, "prune": 25, "low rank": 10, "smooth": 5, "account": 5,
    "sensitivity": 15, "second sensitivity": 15, "index": 5, "time": 20, "sizes": 2, "teacher": 15, "float": 12,
    "int8": 15, "check": 8, "prices": 60,
}  # fmt: skip
USUAL_IMAGES_S = {  # of a small net of images, the same
    "prune": 2, "sensitivity": 1, "second sensitivity": 1, "account": 1, "teacher": 4, "float": 6, "int8": 6,
    "check": 1, "time": 6,
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

    def document(self) -> dict[str, Any]:
        """For `--json`."""
        stages = [{"name": each.name, "seconds": each.seconds, "basis": each.basis} for each in self.expected]
        minutes = round(self.seconds / 60, 1)
        return {"minutes": minutes, "stages": stages, "cached": list(self.cached), "how": self.probe}


@dataclass
class _Walked:
    """A listener that writes down which stages were entered."""

    entered: list[str] = field(default_factory=list)

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        self.entered.append(name)
        yield

    def update(self, done: float, total: float, note: str = "") -> None:
        """Nothing is made, so nothing is told."""


def estimate(plan: Plan, walk: Callable[[Plan], object], runtimes: Sequence[str]) -> Estimate:
    """What is before this plan's build. Reads the examples; whatever else is not in the cache is left unmade."""
    of_images = plan.task.modality == "image"
    examples = read_stage(plan.modality).run(Build(plan=plan)).result("examples").folder
    walked = _Walked()
    try:
        walk(replace(plan, progress=walked, only_cached=True))
        missing = None
    except NotMadeError as error:
        missing = error.name
    if missing is None:
        return Estimate(cached=tuple(walked.entered), expected=(), probe="")
    cached = tuple(walked.entered[:-1])
    names = list(stage_names(plan.recipe, runtimes))
    for name in cached:
        if name in names:
            names.remove(name)
    names = names if missing in names else [missing, *names]
    pace = _ImagePace.of(plan, examples) if of_images else _TextPace.of(plan, examples)
    return Estimate(
        cached=cached, expected=tuple(_expected(name, pace) for name in names), probe=pace.told if pace else _UNTIMED
    )


_UNTIMED = (
    "Trainings are not known before the model is read; the rest is as earlier builds here, or two quiet cores, took."
)


def stage_names(recipe: Recipe, runtimes: Sequence[str]) -> Iterator[str]:
    """The stages of a build in about their order; a search's `prices` and a second sensitivity may come besides."""
    of_images, steps = task_of(recipe.task.kind).modality == "image", recipe.stages.prune.steps
    lessons = recipe.stages.distill.phases
    low_rank = recipe.stages.low_rank
    ranked = low_rank.enabled and (low_rank.energy is not None or low_rank.keep_parameters is not None)
    if of_images:
        yield from ("images", "teacher")
    else:
        yield from ("texts", "teacher", *(("sizes",) if are_open(recipe) else ()), "vocabulary")
    for step in range(steps):
        yield from ("prune",) if of_images else ("importance", "prune")
        if step == 0:
            yield from RECORDINGS[: len(lessons)]
        if step == steps - 1 and (ranked or not of_images):
            yield "low rank"
        yield LESSONS[0]
    if not of_images:
        yield from LESSONS[1 : len(lessons)]
    if recipe.stages.qat_phase:
        yield "aware"
    if recipe.stages.quantize.smooth is not None:
        yield "smooth"
    yield "sensitivity"
    if task_of(recipe.task.kind).searched:
        yield "index"
    yield "account"
    for runtime in runtimes:
        yield from (f"float {runtime}", f"int8 {runtime}", f"teacher {runtime}", f"check {runtime}")
    yield "time"


def _expected(name: str, pace: _TextPace | _ImagePace | None) -> Expected:
    trained = name in (*LESSONS, *RECORDINGS, "aware", "teacher")
    if trained and pace is None:
        return Expected(name=name, seconds=None, basis="unknown")
    if pace is not None and (seconds := pace.seconds(name)) is not None:
        return Expected(name=name, seconds=round(seconds, 1), basis="timed")
    if recorded := cache.recorded_seconds(name, newest=RECORDS):
        return Expected(name=name, seconds=round(median(recorded), 1), basis="recorded")
    table = {**USUAL_S, **(USUAL_IMAGES_S if isinstance(pace, _ImagePace) else {})}
    usual = table.get(name, table.get(name.partition(" ")[0]))
    return Expected(name=name, seconds=usual, basis="usual" if usual else "unknown")


@dataclass(frozen=True, kw_only=True)
class _TextPace:
    """What trainings on text cost: products a second of a training step, and the products and tokens of each."""

    recipe: Recipe
    macs_a_second: float
    teacher_macs: float  # of a token
    student_macs: float
    train_texts: int
    all_texts: int
    words: tuple[int, ...]  # of a sample

    @classmethod
    def of(cls, plan: Plan, examples: Path) -> _TextPace | None:
        """Timed on the student that the recipe plans; None where its sizes are not known yet."""
        found = Texts.load(examples / TEXTS)
        taught = found.training_texts
        sample = random.Random(0).sample(taught, min(SAMPLE_TEXTS, len(taught)))
        words = tuple(len(text.split()) for text in sample)
        length = min(round(PIECES_A_WORD * median(words)) + 2, plan.max_length)
        try:
            recipe = sized(plan.recipe, plan.profile, length=length).recipe
            student, teacher = planned(recipe, plan.profile), planned(_whole(recipe), plan.profile)
        except ToolchainError:  # of a factory; what is wrong with a model is told when it is loaded
            return None
        macs = _macs(student)
        batch = plan.recipe.stages.distill.batch_tokens
        return cls(
            recipe=plan.recipe,
            macs_a_second=macs * _pace(student.model, _any_text(student, batch), batch),
            teacher_macs=_macs(teacher),
            student_macs=macs,
            train_texts=len(found.train),
            all_texts=len(taught),
            words=words,
        )

    @property
    def told(self) -> str:
        """How it was got."""
        tokens = self.macs_a_second / self.student_macs
        return (
            f"Trainings are reckoned from {PROBE_STEPS} steps timed now ({tokens:,.0f} of the student's tokens a "
            "second), the rest as earlier builds here, or two quiet cores, took."
        )

    def seconds(self, name: str) -> float | None:
        """Of a training, or of recording the teacher's outputs."""
        stages = self.recipe.stages
        if name == "teacher":
            if not task_of(self.recipe.task.kind).fitted:
                return None
            tokens = stages.finetune.epochs * self.train_texts * self._mean(self.recipe.task.max_length)
            return tokens * self.teacher_macs / self.macs_a_second
        if name in RECORDINGS:
            lesson = stages.distill.phases[RECORDINGS.index(name)]
            return self._asked(lesson) * self.teacher_macs * FORWARD_SHARE / self.macs_a_second
        if name in (*LESSONS, "aware"):
            aware = stages.qat_phase
            lesson = aware if name == "aware" and aware else stages.distill.phases[LESSONS.index(name)]
            work = _work(lesson, self._asked(lesson), usual_work(self.student_macs, self._asked(lesson)))
            return work * self.student_macs / self.macs_a_second / (stages.prune.steps if name == LESSONS[0] else 1)
        return None

    def _asked(self, lesson: Distill) -> int:
        """The tokens of an epoch."""
        texts = self.all_texts + lesson.augment * self.train_texts
        tokens = round(texts * self._mean(min(lesson.max_length, self.recipe.task.max_length)))
        return max(min(tokens, lesson.tokens or tokens), 1)

    def _mean(self, longest: int) -> float:
        return sum(min(PIECES_A_WORD * words + 2, longest) for words in self.words) / max(len(self.words), 1)


@dataclass(frozen=True, kw_only=True)
class _ImagePace:
    """What trainings on images cost: images a second of the teacher, and how many each training sees."""

    recipe: Recipe
    images_a_second: float
    train_images: int
    all_images: int
    macs: float

    @classmethod
    def of(cls, plan: Plan, examples: Path) -> _ImagePace | None:
        """Timed on the teacher as it comes; None where it cannot be read, which its stage tells."""
        from edgewright.models import image_teacher as teachers

        found, recipe = Images.load(examples / IMAGES), plan.recipe
        try:
            teacher = teachers.load_images(recipe.model, labels=found.labels, image_size=recipe.task.image_size)
        except ToolchainError:
            return None
        scaling, batch = teacher.scaling, recipe.stages.finetune.batch_images
        shape = (PROBE_STEPS * batch, scaling.height, scaling.width, scaling.channels)
        inputs = ImageInputs(torch.zeros(shape, dtype=torch.uint8), mean=scaling.mean, std=scaling.deviation)
        macs = sizes(teacher.model, (torch.zeros(1, scaling.channels, scaling.height, scaling.width),)).macs
        pace = _pace(teacher.model, inputs, batch)
        train, extra = len(found.train.pixels), len(found.extra.pixels)
        return cls(recipe=recipe, images_a_second=pace, train_images=train, all_images=train + extra, macs=macs)

    @property
    def told(self) -> str:
        """How it was got."""
        return (
            f"Trainings are reckoned from {PROBE_STEPS} steps of the teacher timed now ({self.images_a_second:,.0f} "
            "images a second), the rest as earlier builds here, or two quiet cores, took."
        )

    def seconds(self, name: str) -> float | None:
        """Of a training, or of recording the teacher's outputs."""
        stages = self.recipe.stages
        if name == "teacher":
            epochs = stages.finetune.epochs * (1 + stages.finetune.augment)
            return epochs * self.train_images / self.images_a_second
        asked = self.all_images + stages.distill.augment * self.train_images
        if name in RECORDINGS:
            return asked * FORWARD_SHARE / self.images_a_second
        if name in (LESSONS[0], "aware"):
            share = max(stages.prune.keep_macs or 1.0, LEAST_SHARE)
            lesson = stages.qat_phase if name == "aware" else stages.distill.phases[0]
            assert lesson is not None
            work = _work(lesson, asked, usual_work(self.macs * (stages.prune.keep_macs or 1.0), asked))
            return work * share / self.images_a_second / (stages.prune.steps if name == LESSONS[0] else 1)
        return None


def _work(lesson: Distill, epoch: int, usual: int) -> float:
    """The tokens or images that a lesson sees at most."""
    if not lesson.enabled:
        return 0.0
    ends = [lesson.train_tokens, lesson.train_images, lesson.epochs * epoch if lesson.epochs else None]
    return min([float(end) for end in ends if end is not None], default=float(usual))


def _whole(recipe: Recipe) -> Recipe:
    """The recipe whose student is the teacher."""
    off = {"enabled": False}
    made = recipe.stages
    stages = {name: getattr(made, name).model_copy(update=off) for name in ("vocabulary", "prune", "low_rank")}
    return recipe.model_copy(update={"stages": made.model_copy(update=stages)})


def _macs(made: Planned) -> float:
    """Multiply-accumulates of a token, in a short text."""
    length = min(COUNTED_TOKENS, made.shape.positions)
    return sizes(made.model, (torch.ones(length, dtype=torch.long),)).macs / length


def _any_text(student: Planned, batch: int) -> TextInputs:
    """Random texts for a few steps."""
    length = min(PROBE_LENGTH, student.shape.positions)
    chance = random.Random(0)
    rows = [
        Encoded(
            ids=tuple(chance.randrange(1, student.shape.vocabulary) for _ in range(length)),
            words=tuple(range(length)),
        )
        for _ in range(PROBE_STEPS * max(batch // length, 1))
    ]
    return TextInputs(rows)


def _pace(model: torch.nn.Module, inputs: Inputs, batch: int) -> float:
    """Tokens or images a second of training steps, the first left out; the model is spoilt."""
    seen: list[tuple[float, int]] = []

    def loss_of(indexes: list[int]) -> torch.Tensor:
        seen.append((time.perf_counter(), sum(inputs.sizes[index] for index in indexes)))
        output: torch.Tensor = model(*batch_for(model, inputs, indexes))
        return output.float().square().mean()

    random_state = torch.get_rng_state()
    try:
        train(
            model,
            inputs.sizes,
            loss_of,
            Schedule(learning_rate=1e-6, batch_tokens=batch, seed=0, epochs=1),
            setting="x",
        )
    finally:
        torch.set_rng_state(random_state)
    ended = time.perf_counter()
    if len(seen) < 2:
        raise InputError("a pace needs two steps")
    return sum(units for _, units in seen[1:]) / max(ended - seen[1][0], 1e-9)
