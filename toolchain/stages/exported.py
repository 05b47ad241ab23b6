"""What was made and found for one runtime: the float files it is compared with, the int8 artifact, and its check.

In:  a `Build` whose artifacts are made.
Out: `Exported` for each runtime.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from edgewright.errors import InputError
from edgewright.quantize.schemes import QUANTIZATION_SCHEMES
from edgewright.stages.check import CheckFindings
from edgewright.stages.export_float import FloatFindings, artifact_name
from edgewright.stages.export_int8 import Int8Findings
from edgewright.stages.plan import Plan
from edgewright.stages.stage import Build, Findings, StageResult


@dataclass(frozen=True, kw_only=True)
class Exported:
    """The results for one runtime."""

    runtime: str
    teacher: StageResult[FloatFindings]
    float_reference: StageResult[FloatFindings]
    int8: StageResult[Int8Findings]
    check: StageResult[CheckFindings]

    def file(self, stage: StageResult[Findings]) -> Path:
        """The model file of one of its stages."""
        return stage.file(artifact_name(self.runtime))

    @property
    def float_name(self) -> str:
        """The float reference's name in a bundle."""
        return f"float-{artifact_name(self.runtime)}"


def runtimes_of(plan: Plan) -> tuple[str, ...]:
    """The recipe's runtimes, as far as the device has them. Raises `InputError` when none is left."""
    asked, offered = plan.recipe.stages.export.runtimes, plan.profile.preferences.runtimes
    scheme = plan.recipe.stages.quantize.scheme
    needs = QUANTIZATION_SCHEMES[scheme].needs if scheme else None
    if needs and not getattr(plan.profile.processor, needs).value:
        raise InputError(
            f"{plan.profile.name} has no arithmetic for {scheme}, so it would be slower there than float32; leave "
            "stages.quantize.scheme out, which gives int8"
        )
    if common := tuple(name for name in asked if name in offered):
        return common
    raise InputError(
        f"the recipe exports for {', '.join(asked)}, but {plan.profile.name} runs {', '.join(offered)}; "
        "change stages.export.runtimes"
    )


def exported(build: Build) -> tuple[Exported, ...]:
    """What a build made for each of its runtimes."""
    return tuple(_exported(build, runtime) for runtime in runtimes_of(build.plan))


def _exported(build: Build, runtime: str) -> Exported:
    return Exported(
        runtime=runtime,
        teacher=build.typed(f"teacher {runtime}", FloatFindings),
        float_reference=build.typed(f"float {runtime}", FloatFindings),
        int8=build.typed(f"int8 {runtime}", Int8Findings),
        check=build.typed(f"check {runtime}", CheckFindings),
    )
