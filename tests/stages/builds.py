"""Recipes that build in seconds on the tiny model, the data they read, and what listens to a build."""

import csv
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

import torch

from edgewright import pipeline, stages
from edgewright.base.cache import CacheEntry
from edgewright.base.progress import Progress, Silent
from edgewright.data.images import Images
from edgewright.data.texts import Texts
from edgewright.modality.tokenizer import TextTokenizer
from edgewright.models import families
from edgewright.models.encoder import Encoder
from edgewright.models.text import outputs
from edgewright.pipeline import BuildResult
from edgewright.specs.profiles import Profile, load_profile
from edgewright.specs.recipe import Recipe
from edgewright.stages import Build, Plan, Side
from edgewright.stages.sensitivity import SensitivityFindings, sensitivity_stage
from edgewright.stages.stage import Findings, StageResult
from edgewright.tasks.scores import Score
from tests import tiny

BOARD = load_profile("raspberry-pi-4")
# Its kernels like more channels than the tiny teacher has heads to give.
FINE = BOARD.preferences.int8_channel_multiple.model_copy(update={"value": 8})
PROFILE = BOARD.model_copy(update={"preferences": BOARD.preferences.model_copy(update={"int8_channel_multiple": FINE})})
READING = ["texts", "teacher", "vocabulary"]
CUTTING = ["importance", "prune"]
SHRINKING = [*CUTTING, "teach", "low rank", "distill"]
BEFORE_EXPORT = [*READING, *SHRINKING, "account", "sensitivity"]
EXPORTS = ["float", "int8", "teacher", "check"]
WHOLE: dict[str, Any] = {"layers": None, "heads": None, "neurons": None}
WIDTH = 32  # of the tiny teacher


def write(path: Path, rows: Sequence[Sequence[str]]) -> Path:
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows(rows)
    return path


def labelled_texts(folder: Path) -> Path:
    """120 texts of three labels, which their words give away."""
    rows = [(text, label) for label in tiny.LABELS for text in tiny.sentences(40, label=label)]
    return write(folder / "labelled.csv", [("text", "label"), *rows])


def paired_texts(folder: Path) -> Path:
    """Questions, and answers that share their words."""
    questions, ends = tiny.sentences(100, seed=1), tiny.sentences(100, seed=2)
    rows = [(question, f"{question} {end}") for question, end in zip(questions, ends, strict=True)]
    return write(folder / "paired.csv", [("text", "pair"), *rows])


def valued_texts(folder: Path) -> Path:
    """120 texts and a value: how many of a text's words are of the weather, in percent."""
    weather = set(tiny.THINGS["weather"].split())
    rows = []
    for text in (text for label in tiny.LABELS for text in tiny.sentences(40, label=label)):
        words = text.split()
        rows.append((text, f"{100 * sum(word in weather for word in words) / len(words):.1f}"))
    return write(folder / "valued.csv", [("text", "value"), *rows])


def tag_of(word: str) -> str:
    """What a word is of, or "O"; the last letter of a rare one, as in "rainq", does not matter."""
    return next((name for name, things in tiny.THINGS.items() if {word, word[:-1]} & set(things.split())), "O")


def tagged_texts(folder: Path) -> Path:
    """Sentences whose words are of a label each or of none; some are too long, some have words of two pieces."""
    file = folder / "tagged.conll"
    texts = [text for label in tiny.LABELS for text in tiny.sentences(100, label=label)]
    texts += [f"{text.split()[1]}q {text}" for text in texts[::9]]
    texts += [" ".join([text] * 6) for text in texts[::100]]
    lines = ["\n".join(f"{word} {tag_of(word)}" for word in text.split()) for text in texts]
    file.write_text("\n\n".join(lines) + "\n", encoding="utf-8")
    return file


def recipe(kind: str, data: Path, **changes: Mapping[str, Any]) -> Recipe:
    """A recipe that builds in seconds; `changes` are merged into its sections, those of stages among them."""
    column = {"classification": "label", "embedding": "pair", "regression": "value"}.get(kind)
    sections: dict[str, dict[str, Any]] = {
        "vocabulary": {},
        "prune": {"layers": 2, "heads": 3, "neurons": 30},
        "distill": {"epochs": 2, "learning_rate": 3e-3, "batch_tokens": 64},
        "export": {"lengths": [16]},
    }
    if kind != "embedding":
        sections["finetune"] = {"epochs": 12, "learning_rate": 3e-3, "batch_tokens": 256}
    for name in set(changes) - {"budget", "more_data"}:
        sections[name] = {**sections.get(name, {}), **changes[name]}
    return Recipe.model_validate(
        {
            "recipe": {"name": f"tiny-{kind}"},
            "model": {"folder": tiny.bert_folder()},
            "task": {"kind": kind, "max_length": tiny.MAX_LENGTH},
            "data": {
                "file": data,
                **({"columns": {column: column}} if column else {}),
                **changes.get("more_data", {}),
            },
            "budget": changes.get("budget", {}),
            "stages": sections,
        }
    )


def plan(made_from: Recipe, *, progress: Progress | None = None, profile: Profile = PROFILE) -> Plan:
    return Plan(recipe=made_from, profile=profile, progress=progress or Silent())


@dataclass(frozen=True, kw_only=True)
class Made:
    """A finished stage, its findings as a manifest has them."""

    result: CacheEntry
    settings: Mapping[str, Any]
    findings: dict[str, Any]

    @classmethod
    def of(cls, result: StageResult[Findings]) -> Self:
        return cls(result=result.entry, settings=result.settings, findings=result.findings.document())

    @property
    def name(self) -> str:
        return self.result.name

    @property
    def key(self) -> str:
        return self.result.key

    def file(self, name: str) -> Path:
        return self.result.folder / name


def build_of(given: Plan, *, last: str = "") -> Build:
    """A build that has come to its student, or to the first stage of this name."""
    names = pipeline.student_stages(given)
    ends = [place for place, stage in enumerate(names) if stage.name == last]
    return stages.run_stages(Build(plan=given), names[: ends[0] + 1] if ends else names)


def stage_of(given: Plan, name: str) -> Made:
    """The first stage of this name."""
    return Made.of(build_of(given, last=name).made[-1])


def made_of(given: Plan) -> list[Made]:
    """All stages up to the trained student, in their order."""
    return [Made.of(result) for result in build_of(given).made]


def student_of(given: Plan) -> dict[str, Made]:
    """The same by name; of steps made more than once, the last."""
    return {stage.name: stage for stage in made_of(given)}


def side_of(given: Plan) -> Side:
    """The student's side."""
    return stages.student_of(build_of(given))


def judged(given: Plan, *, static: bool = False) -> dict[str, Any]:
    """What int8 is found to do to the student's parts, as a manifest has it."""
    build = sensitivity_stage(static=static).run(build_of(given))
    return build.findings("sensitivity", SensitivityFindings).document()


def sensitivities(build: Build) -> list[StageResult[SensitivityFindings]]:
    """What int8 was found to do, for each kind of scales."""
    return [build.typed(name, SensitivityFindings) for name in ("sensitivity", "second sensitivity") if name in build]


def texts_of(made: Made) -> Texts:
    return Texts.load(made.file("texts.json"))


def images_of(made: Made) -> Images:
    return Images.load(made.file("images.safetensors"))


def model_of(made: Made | StageResult[Findings], *, factory: str = "") -> Any:
    return families.load((made.entry if isinstance(made, StageResult) else made.result).folder, factory=factory)


def tokenizer_of(given: Plan, made: Made) -> TextTokenizer:
    return TextTokenizer.load(made.file("tokenizer.json"), max_length=given.max_length)


def score_of(given: Plan, texts: Made) -> Score:
    return given.task.score(texts_of(texts))


def encoder_of(made: Made | StageResult[Findings]) -> Encoder:
    encoder = model_of(made).encoder
    assert isinstance(encoder, Encoder)
    return encoder


def cosine_with_the_teacher(given: Plan, name: str) -> float:
    """How near a stage's model is to its teacher on held-out texts, at the mean."""
    made = student_of(given)
    texts = score_of(given, made["texts"]).texts
    found, wanted = (
        outputs(model_of(made[model]), tokenizer_of(given, made[tokenizer]).encode(texts))
        for model, tokenizer in ((name, "vocabulary"), ("teacher", "teacher"))
    )
    return float(torch.nn.functional.cosine_similarity(found, wanted).mean())


@dataclass(kw_only=True)
class Listener:
    """Writes down what it hears; interrupts the stage named once so much of it is done, as Ctrl-C does."""

    interrupt_in: str = ""
    interrupt_at: float = 0.0
    interrupt_while: str = ""
    entered: list[str] = field(default_factory=list)
    shares: list[float] = field(default_factory=list)
    notes: list[tuple[str, float, str]] = field(default_factory=list)

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        self.entered.append(name)
        yield

    def update(self, done: float, total: float, note: str = "") -> None:
        self.shares.append(done / total)
        self.notes.append((self.entered[-1], done / total, note))
        due = self.entered[-1] == self.interrupt_in and done / total >= self.interrupt_at
        if due and note.startswith(self.interrupt_while):
            raise KeyboardInterrupt


@dataclass(frozen=True, kw_only=True)
class Built:
    result: BuildResult
    recipe: Recipe
    heard: Listener

    @property
    def place(self) -> Path:
        return self.result.bundle.path


def built(made_from: Recipe, place: Path) -> Built:
    heard = Listener()
    return Built(result=pipeline.build(made_from, PROFILE, place, progress=heard), recipe=made_from, heard=heard)
