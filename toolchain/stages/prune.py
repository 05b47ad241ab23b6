"""The stage that cuts parts out of a model, and refits what is left to answer as before.

In:  the teacher, or with gradual pruning the student of the step before; and what matters of it.
Out: the student before training.
How a family is cut is `compress.cutting`'s concern.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import cast

from edgewright.compress.cut_transformers import everything
from edgewright.compress.cutting import Cut, Goal, cut
from edgewright.modality.base import Dataset
from edgewright.models.capabilities import OwnModel
from edgewright.models.encoder import EncoderShape
from edgewright.stages.float_models import (
    KeptLayer,
    ModelFindings,
    dataset_of,
    measured,
    model_of,
    priced,
    save,
    scored,
    sizes_of,
)
from edgewright.stages.part_prices import calibrated_prices, price_parts
from edgewright.stages.rank import importance_of
from edgewright.stages.stage import Build, Stage, Workspace


class PruneFindings(ModelFindings):
    """What was kept, and what the student was worth before its parts were refitted.

    Of a search: the layers' milliseconds before and after, whence the prices are, and for texts of how many tokens.
    """

    score_before_reconstruction: float = 0.0
    searched_ms: float = 0.0
    of_ms: float = 0.0
    prices: str = ""
    length: int = 0


def prune_stage(step: int) -> Stage[ModelFindings]:
    """The stage for one step of the cut, counted from 0."""

    def settings(build: Build) -> Mapping[str, object]:
        return {**build.plan.recipe.stages.prune.model_dump(), "step": step}

    def prune(build: Build, work: Workspace) -> PruneFindings:
        return _pruned(build, work, step)

    return Stage(
        name="prune",
        version=3,
        findings=PruneFindings,
        make=prune,
        needs=("examples", "inputs", "student", "importance"),
        plays=("student",),
        settings=settings,
        facts=facts,
        reckon=priced,
    )


def facts(build: Build) -> Mapping[str, object]:
    """What the device's kernels like; and for a search, which alone asks for it, what parts cost there."""
    plan = build.plan
    device_facts: dict[str, object] = {"multiple": plan.profile.preferences.int8_channel_multiple.value}
    if plan.recipe.stages.prune.speedup is not None:
        device_facts["device"] = plan.profile.model_dump(mode="json", include={"name", "processor", "memory"})
        if table := calibrated_prices(plan):
            device_facts["calibrated"] = table.model_dump(mode="json")
    return device_facts


def _pruned(build: Build, work: Workspace, step: int) -> PruneFindings:
    settings, dataset = build.plan.recipe.stages.prune, dataset_of(build)
    model = dataset.adapted(model_of(build))
    result = _cut(build, model, dataset, step) if settings.enabled else _uncut(build, model)
    student, findings = result.model, dict(result.findings)
    if settings.enabled and result.layers:
        findings["score_before_reconstruction"] = scored(build, student, dataset)
    if settings.reconstruct and result.refitted:
        student = result.refitted()
    save(student, work.folder)
    if result.layers:
        findings["layers"] = kept_layers(build, result)
    return PruneFindings.model_validate({**findings, **measured(build, student, dataset)})


def _cut(build: Build, model: OwnModel, dataset: Dataset, step: int) -> Cut:
    plan, before = build.plan, build.findings("student", ModelFindings)
    settings = plan.recipe.stages.prune
    passes = plan.modality.refit_passes or len(before.parts)
    sample = dataset.sample(plan.modality.fitted_count, macs=before.macs, passes=passes)
    goal = Goal(
        settings=settings,
        multiple=plan.profile.preferences.int8_channel_multiple.value,
        step=step,
        teacher=lambda: model_of(build, "teacher"),
        share=lambda: _share_of_macs(build, model, dataset, step),
        importance=importance_of(build) if "importance" in build else None,
        prices=lambda shape, length: price_parts(plan, cast(EncoderShape, shape), length),
    )
    return cut(model, sample, goal)


def _uncut(build: Build, model: OwnModel) -> Cut:
    return Cut(model=model, layers=everything(model) if "importance" in build else ())


def _share_of_macs(build: Build, model: OwnModel, dataset: Dataset, step: int) -> float:
    """The share of the products of this model that stays, of what the recipe says of the teacher's."""
    settings = build.plan.recipe.stages.prune
    assert settings.keep_macs is not None
    # Each step takes the same factor off; what is left is measured anew, as sizes are rounded.
    goal: float = settings.keep_macs ** ((step + 1) / settings.steps) * build.findings("teacher", ModelFindings).macs
    return min(1.0, goal / sizes_of(build, model, dataset).macs)


def kept_layers(build: Build, result: Cut) -> list[KeptLayer]:
    """What each layer kept, and which of the teacher's it was."""
    before = build.findings("student", ModelFindings).from_layers  # of a gradual cut
    return [
        KeptLayer(
            from_layer=before[each.layer] if before else each.layer,
            heads=len(each.heads),
            neurons=len(each.neurons),
        )
        for each in result.layers
    ]
