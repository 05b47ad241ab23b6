"""The stage that keeps the token table, and matrices where it pays, as products of two smaller ones.

In:  the student after the cut.
Out: the same student in fewer parameters.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Required, TypedDict

from typing_extensions import Unpack

from edgewright.compress import low_rank
from edgewright.compress.ranks import FactorisedMatrix
from edgewright.models import families
from edgewright.models.capabilities import FACTORISABLE, OwnModel
from edgewright.models.transformer_shape import LINEARS
from edgewright.stages.float_models import (
    ModelFindings,
    dataset_of,
    measured,
    model_of,
    priced,
    save,
)
from edgewright.stages.stage import Build, Stage, Workspace


class LowRankFindings(ModelFindings):
    """What became of each matrix."""

    matrices: tuple[FactorisedMatrix, ...]


def settings(build: Build) -> Mapping[str, object]:
    """Those of the ranks."""
    return build.plan.recipe.stages.low_rank.model_dump()


def facts(build: Build) -> Mapping[str, object]:
    """What the device's kernels like."""
    return {"multiple": build.plan.profile.preferences.int8_channel_multiple.value}


def applies(build: Build) -> bool:
    """Where the recipe asks for it; and of every model with a token table, which the stage says it left whole."""
    return build.plan.modality.has_vocabulary or _asks_for_matrices(build)


def factorise(build: Build, work: Workspace) -> LowRankFindings:
    """Factorise what the recipe asks for."""
    plan, dataset, model = build.plan, dataset_of(build), model_of(build)
    asked = plan.recipe.stages.low_rank
    matrices: tuple[FactorisedMatrix, ...] = ()
    if asked.enabled and asked.token_rank is not None:
        ranks, exponent = {"tokens": asked.token_rank}, asked.token_exponent
        made = _factorised(build, model, parts=("tokens",), ranks=ranks, token_exponent=exponent)
        model, matrices = made.model, made.report
    if _asks_for_matrices(build):
        energy, share = asked.energy, asked.keep_parameters
        made = _factorised(build, model, parts=LINEARS, energy=energy, keep_parameters=share)
        model, matrices = made.model, (*matrices, *made.report)
    save(model, work.folder)
    before = build.findings("student", ModelFindings)
    layers = {"layers": before.layers} if before.layers else {}
    return LowRankFindings.model_validate({**measured(build, model, dataset), **layers, "matrices": matrices})


LOW_RANK = Stage[ModelFindings](
    name="low rank",
    version=1,
    findings=LowRankFindings,
    make=factorise,
    needs=("examples", "inputs", "student"),
    plays=("student",),
    settings=settings,
    facts=facts,
    applies=applies,
    reckon=priced,
)


def _asks_for_matrices(build: Build) -> bool:
    asked = build.plan.recipe.stages.low_rank
    return asked.enabled and (asked.energy is not None or asked.keep_parameters is not None)


class FactorSizes(TypedDict, total=False):
    """Which parts become two factors, and how small."""

    parts: Required[Collection[str]]
    energy: float | None
    ranks: Mapping[str, int] | None
    keep_parameters: float | None
    token_exponent: float


def _factorised(build: Build, model: OwnModel, **sizes: Unpack[FactorSizes]) -> low_rank.Factorised[OwnModel]:
    plan = build.plan
    setting = f"stages.low_rank.{'energy' if sizes.get('energy') is not None else 'keep_parameters'}"
    families.required(model, FACTORISABLE, setting=setting)
    return low_rank.factorise(
        model,
        dataset_of(build).sample(plan.modality.fitted_count),
        multiple=plan.profile.preferences.int8_channel_multiple.value,
        **sizes,
    )
