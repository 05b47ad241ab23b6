"""The stage that moves the spread of a student's activations into its weights, where the recipe asks for that.

In:  the trained student.
Out: a student that says the same, and loses less in int8.
"""

from __future__ import annotations

from collections.abc import Mapping

from edgewright.base.cache import ARTIFACT_PACKAGES
from edgewright.models import families
from edgewright.models.capabilities import SMOOTHABLE
from edgewright.quantize.smooth import smoothed
from edgewright.stages.float_models import ModelFindings, dataset_of, model_of, priced, save
from edgewright.stages.stage import Build, Stage, Workspace
from edgewright.stages.train import DistilledFindings

JUDGED = 256  # examples that spreads are measured on


def settings(build: Build) -> Mapping[str, object]:
    """How much of the spread is moved."""
    return {"strength": build.plan.recipe.stages.quantize.smooth}


def smooth(build: Build, work: Workspace) -> ModelFindings:
    """Move the spread. Raises `InputError` for a model whose family has no such channels."""
    dataset, model = dataset_of(build), model_of(build)
    channels = families.required(model, SMOOTHABLE, setting="stages.quantize.smooth")
    strength, before = build.plan.recipe.stages.quantize.smooth, build.findings("student", ModelFindings)
    assert strength is not None, "the stage applies"
    sample = dataset.sample(JUDGED, macs=before.macs, passes=1)
    moved = smoothed(model, channels.pairs_of, lambda trial: dataset.outputs(trial, sample), strength=strength)
    save(moved, work.folder)
    return before


SMOOTH = Stage[ModelFindings](
    name="smooth",
    version=1,
    findings=DistilledFindings,
    make=smooth,
    needs=("examples", "inputs", "student"),
    plays=("student",),
    settings=settings,
    applies=lambda build: build.plan.recipe.stages.quantize.smooth is not None,
    packages=ARTIFACT_PACKAGES,
    reckon=priced,
)
