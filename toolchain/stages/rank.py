"""The stage that measures how much each part of a transformer matters, for a cut to go by.

In:  the student so far.
Out: the importance of its heads, neurons and layers.
"""

from __future__ import annotations

from collections.abc import Mapping

from edgewright.compress.importance import importance
from edgewright.compress.importance_scores import Importance
from edgewright.models import families
from edgewright.stages.float_models import dataset_of, model_of
from edgewright.stages.stage import Build, Findings, Stage, Workspace

FILE = "importance.safetensors"


class ImportanceFindings(Findings):
    """How much each layer matters."""

    layers: list[float]


def settings(build: Build) -> Mapping[str, object]:
    """How importance is measured."""
    return {"importance": build.plan.recipe.stages.prune.importance}


def applies(build: Build) -> bool:
    """Where a modality's models are ranked, but for one of a family that is cut in another way, or not at all."""
    if not build.plan.modality.ranks_first:
        return False
    return "student" not in build or families.has_ranked_layers(families.family_in(build.result("student").folder))


def rank(build: Build, work: Workspace) -> ImportanceFindings:
    """Measure how much each part of the student matters."""
    plan, dataset = build.plan, dataset_of(build)
    found = importance(
        dataset.adapted(model_of(build)),
        dataset.sample(plan.modality.ranked_count),
        kind=plan.recipe.stages.prune.importance,
        on_progress=plan.progress.update,
    )
    found.save(work.folder / FILE)
    return ImportanceFindings(layers=[float(layer.layer) for layer in found.layers])


def importance_of(build: Build) -> Importance:
    """What the stage measured."""
    return Importance.load(build.result("importance").file(FILE))


IMPORTANCE = Stage(
    name="importance",
    version=1,
    findings=ImportanceFindings,
    make=rank,
    needs=("examples", "inputs", "student"),
    settings=settings,
    applies=applies,
)
