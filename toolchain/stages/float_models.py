"""Float models between stages: how they are kept and read back, and what a stage that made one says of it.

In:  a `Build`.
Out: datasets, models, and `ModelFindings`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sized
from dataclasses import replace
from pathlib import Path

from pydantic import BaseModel
from torch import nn

from edgewright.cost.part_costs import PricedLayer
from edgewright.cost.part_estimates import from_profile
from edgewright.errors import InputError
from edgewright.modality.base import Dataset
from edgewright.models import families
from edgewright.models.capabilities import OwnModel
from edgewright.models.macs import sizes
from edgewright.models.schedule import Trained
from edgewright.specs.metrics import goodness
from edgewright.stages.stage import Build, Findings, StageResult


class KeptLayer(BaseModel):
    """A layer of a student: which of the teacher's it was, and what it kept."""

    from_layer: int
    heads: int
    neurons: int


class PartMacs(BaseModel):
    """A part of a model, and its multiply-accumulates."""

    name: str
    macs: int


class Sizes(Findings):
    """How large a model is; `macs` are those of one example, of a text of 16 tokens, and `parts` those of each part.

    Those of a decoder have the logits of every token, as there are when it writes them one by one.
    """

    parameters: int
    macs: int
    parts: tuple[PartMacs, ...] = ()


class ModelFindings(Sizes):
    """What a float model is worth on the held-out part, and its size.

    `layers` are the teacher's that were kept, and `predicted_layers_ms` is what the profile makes of them.
    """

    score: float
    layers: tuple[KeptLayer, ...] = ()
    predicted_layers_ms: float | None = None

    @property
    def from_layers(self) -> list[int]:
        """The numbers of the teacher's layers that are left; empty where that was not kept."""
        return [layer.from_layer for layer in self.layers]


class Validation(BaseModel):
    """The score on the validation part after so many tokens, or images, of a training."""

    tokens: int
    score: float


class TrainedFindings(ModelFindings):
    """Those of a model that was trained: how long, how the loss fell, and each score on the validation part."""

    steps: int = 0
    tokens_seen: int = 0
    losses: tuple[float, ...] = ()
    validations: tuple[Validation, ...] = ()
    stopped_early: bool = False
    best_validation: float | None = None


def trained_findings(trained: Trained, dataset: Dataset) -> dict[str, object]:
    """What a manifest says of a training; its validations are scores again, where less is better, too."""
    best, metric = trained.best_validation, dataset.score().metric
    return {
        "steps": trained.steps,
        "tokens_seen": trained.tokens,
        "losses": trained.losses,
        "validations": [
            {"tokens": tokens, "score": goodness(metric, value)}
            for tokens, value in trained.validations
            if math.isfinite(value)
        ],
        "stopped_early": trained.stopped_early,
        "best_validation": None if best is None else goodness(metric, best),
    }


def dataset_of(build: Build, part: str = "inputs") -> Dataset:
    """The examples as the student takes them, or with `part` "teacher" as the teacher does."""
    plan = build.plan
    return plan.modality.dataset(plan.recipe, build.result("examples").folder, build.result(part).folder)


def model_of(build: Build, part: str = "student") -> OwnModel:
    """The float model that a result holds."""
    return load(build, build.result(part).folder)


def load(build: Build, folder: Path) -> OwnModel:
    """A float model that `save` wrote."""
    return families.load(folder, factory=build.plan.recipe.model.factory or "")


def save(model: OwnModel, folder: Path) -> None:
    """Write a float model into a stage's folder."""
    families.save(model, folder)


def measured(build: Build, model: nn.Module, dataset: Dataset) -> dict[str, object]:
    """The score, parameters and multiply-accumulates of a model, as `ModelFindings` has them."""
    return {"score": scored(build, model, dataset), **sizes_of(build, model, dataset).document()}


def scored(build: Build, model: nn.Module, dataset: Dataset) -> float:
    """What a float model is worth on the held-out part."""
    inputs, score = dataset.held_out(), dataset.score()

    def on_progress(done: int) -> None:
        build.plan.progress.update(done, len(inputs), "scoring")

    return score.of(dataset.as_scored(dataset.outputs(model, inputs, on_progress=on_progress), inputs, score))


def sizes_of(build: Build, model: nn.Module, dataset: Dataset) -> Sizes:
    """Parameters and multiply-accumulates, of each part too where examples are all of one size."""
    counted = sizes(model, dataset.example())
    if build.plan.modality.has_length:
        return Sizes(parameters=counted.parameters, macs=counted.macs)
    parts = tuple(PartMacs(name=each.name, macs=each.macs) for each in counted.layers if each.macs)
    return Sizes(parameters=counted.parameters, macs=counted.macs, parts=parts)


def validation(build: Build, model: nn.Module, dataset: Dataset, *, section: str) -> Callable[[], float] | None:
    """How good the score on the validation part is, where the recipe ends this section's training by it.

    Raises `InputError` where that part is empty.
    """
    if getattr(build.plan.recipe.stages, section).patience is None:
        return None
    inputs = dataset.held_out("validation")
    require_validation(inputs, f"stages.{section}", "patience", "ends training by")
    score = dataset.score("validation")
    return lambda: goodness(score.metric, score.of(dataset.as_scored(dataset.outputs(model, inputs), inputs, score)))


def require_validation(part: Sized, section: str, setting: str, does: str) -> None:
    """Refuse a setting that goes by the score on the validation part where that is empty; `does` says what it does."""
    if not len(part):
        raise InputError(
            f"{section}.{setting} {does} the score on the validation part, which is empty; raise "
            f"data.split.validation, give data.validation, or leave {setting} out"
        )


def on_training(build: Build) -> Callable[[float, float], None]:
    """A listener to training that passes its progress on."""
    return lambda done, loss: build.plan.progress.update(done, 1.0, f"loss {loss:.3f}")


def priced(build: Build, result: StageResult[ModelFindings]) -> ModelFindings:
    """The findings with what the profile makes of the layers of a model of texts that reads so many tokens at once.

    It is reckoned anew of a kept result, as one student may serve many devices.
    """
    plan = build.plan
    if not plan.modality.has_length or not families.has_ranked_layers(families.family_in(result.folder)):
        return result.findings
    total = 0.0
    for layer in PricedLayer.each(load(build, result.folder).shape, plan.modality.counted_units):
        if layer.heads or layer.neurons:
            largest = replace(layer, heads=max(layer.heads, 1), neurons=max(layer.neurons, 1))
            table = from_profile(plan.profile, largest)
            total += table.attention(layer.heads) + table.feed_forward(layer.neurons)
    return result.findings.model_copy(update={"predicted_layers_ms": total})
