"""What every stage of a build shares: the plan, how a finished stage is kept, and how its files are read back.

In:  a stage's name, settings and inputs, and a function that fills a folder.
Out: `Done`: the stage's folder, its settings, and what it found, as the manifest will say it.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edgewright.base import cache
from edgewright.base.places import cache_dir
from edgewright.base.progress import Progress
from edgewright.data.images import Images
from edgewright.data.texts import Texts
from edgewright.modality.color_channels import with_channels
from edgewright.modality.tokenizer import TextTokenizer
from edgewright.models import families
from edgewright.models import model as models
from edgewright.models.encoder import Encoder
from edgewright.models.image import ImageModel, Scaling
from edgewright.models.inputs import ImageInputs
from edgewright.models.model import TransformerModel
from edgewright.specs.profiles import Profile
from edgewright.specs.recipe import Recipe
from edgewright.tasks.table import task_of
from edgewright.tasks.task import Task

IMAGES = "images.safetensors"


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What all stages share; with `only_cached` a stage that is not in the cache raises `NotMadeError` instead."""

    recipe: Recipe
    profile: Profile
    progress: Progress
    only_cached: bool = False

    @property
    def max_length(self) -> int:
        """The longest text, in tokens."""
        return self.recipe.task.max_length

    @property
    def task(self) -> Task[Any]:
        """What the recipe's kind of task asks of a model."""
        return task_of(self.recipe.task.kind)


@dataclass(frozen=True, kw_only=True)
class Done:
    """A finished stage."""

    result: cache.CacheEntry
    settings: Mapping[str, Any]
    findings: Mapping[str, Any]

    @property
    def name(self) -> str:
        """The stage's name."""
        return self.result.name

    @property
    def key(self) -> str:
        """What later stages put among their inputs."""
        return self.result.key

    def file(self, name: str) -> Path:
        """A file of the result."""
        return self.result.folder / name


class NotMadeError(Exception):
    """A stage is not in the cache, and was not to be made."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.name = name


@dataclass(frozen=True, kw_only=True)
class Unfinished:
    """Where a training keeps its checkpoint until its stage is done, and what a checkpoint must have been made from."""

    folder: Path
    key: str

    @classmethod
    def of(cls, name: str, settings: Mapping[str, Any], inputs: Mapping[str, Any]) -> Unfinished:
        """Of the stage that is made by these settings from these inputs."""
        key = json.dumps([name, settings, inputs], sort_keys=True, default=str)
        return cls(folder=cache_dir("training") / hashlib.sha256(key.encode()).hexdigest()[:32], key=key)

    def remove(self) -> None:
        """Leave nothing behind: the stage's result is kept, and no training will go on from a checkpoint."""
        shutil.rmtree(self.folder, ignore_errors=True)


def stage(
    plan: Plan,
    name: str,
    settings: Mapping[str, Any],
    inputs: Mapping[str, Any],
    make: Callable[[Path], Mapping[str, Any]],
    *,
    packages: Sequence[str] = cache.ARTIFACT_PACKAGES,
) -> Done:
    """Run a stage, or take it from the cache; `make` fills a folder and returns what it found."""

    def make_and_note(folder: Path) -> None:
        if plan.only_cached:
            raise NotMadeError(name)
        findings = make(folder)
        (folder / "findings.json").write_text(json.dumps(findings, indent=2), encoding="utf-8")

    with plan.progress.stage(name):
        result = cache.stage(name, {"settings": settings, **inputs}, make_and_note, packages=packages)
    findings = json.loads((result.folder / "findings.json").read_text(encoding="utf-8"))
    return Done(result=result, settings=settings, findings=findings)


def texts_of(texts: Done) -> Texts:
    """The examples a stage read."""
    return Texts.load(texts.file("texts.json"))


def model_of(stage: Done) -> TransformerModel:
    """The float model a stage saved."""
    return models.load(stage.result.folder)


def images_of(images: Done) -> Images:
    """The images a stage read."""
    return Images.load(images.file(IMAGES))


def scaling_of(teacher: Done) -> Scaling:
    """How an image is made an input of the teacher, and of every model made from it."""
    found = teacher.findings["scaling"]
    return Scaling(**{**found, "mean": tuple(found["mean"]), "deviation": tuple(found["deviation"])})


def scaled(pixels: Any, scaling: Scaling) -> ImageInputs:
    """Images (n, height, width, channels) as the model takes them."""
    taken = with_channels(pixels, scaling.channels)
    return ImageInputs(taken, mean=scaling.mean, std=scaling.deviation)


def image_model_of(plan: Plan, stage: Done) -> ImageModel:
    """The float model of images a stage saved."""
    model: ImageModel = families.load(stage.result.folder, factory=plan.recipe.model.factory or "")
    return model


def tokenizer_of(plan: Plan, stage: Done) -> TextTokenizer:
    """The tokenizer a stage saved."""
    return TextTokenizer.load(stage.file("tokenizer.json"), max_length=plan.max_length)


def encoder_of(model: TransformerModel) -> Encoder:
    """A text model's encoder, typed."""
    assert isinstance(model.encoder, Encoder)
    return model.encoder


def shares(plan: Plan, what: str) -> Callable[[float, float], None]:
    """A listener to training that passes its progress on."""
    return lambda done, value: plan.progress.update(done, 1.0, f"{what} {value:.3f}")
