"""The stage that exports the int8 artifact of one runtime, or the float16 one where the recipe asks for that.

In:  the student, its float file of that runtime, and what its sensitivity says of each part.
Out: the model file that a bundle has.
"""

from __future__ import annotations

from collections.abc import Mapping

from pydantic import ConfigDict, JsonValue

from edgewright.base.cache import ARTIFACT_PACKAGES
from edgewright.quantize.schemes import DYNAMIC, STATIC, rounds_to_integers
from edgewright.runtimes.descriptor import Runtime
from edgewright.runtimes.quantization import Int8
from edgewright.runtimes.table import RUNTIMES
from edgewright.specs.recipe import Quantize
from edgewright.specs.signature import Signature
from edgewright.stages.export_float import EXPORT_VERSION, artifact_name, export_settings
from edgewright.stages.sensitivity import SensitivityFindings
from edgewright.stages.sides import Side, student_of
from edgewright.stages.stage import Build, Findings, Stage, Workspace

OBSERVED = 10  # passes over a model that counting all of its values takes as long as


class Int8Findings(Findings):
    """The size of the file, and what it takes and gives.

    Where the runtime tells, also how many operators its delegate took, and which it did not; and whatever else its
    writer tells, under names of its own.
    """

    model_config = ConfigDict(extra="allow")

    __pydantic_extra__: dict[str, JsonValue]

    bytes: int
    signature: Signature
    format: str = "int8"
    delegated: int | None = None
    fallbacks: dict[str, int] | None = None


def export_int8(runtime: str, sensitivity: str) -> Stage[Int8Findings]:
    """The stage for a runtime, by the choice that the stage called `sensitivity` made."""
    name = artifact_name(runtime)

    def chosen(build: Build) -> SensitivityFindings:
        return build.findings(sensitivity, SensitivityFindings)

    def settings(build: Build) -> Mapping[str, object]:
        return {**export_settings(runtime, student_of(build)), **_scheme(build, chosen(build))}

    def export(build: Build, work: Workspace) -> Int8Findings:
        file, reference = work.folder / name, build.result(f"float {runtime}").file(name)
        descriptor, student = RUNTIMES[runtime], student_of(build)
        source = student.subject().for_runtime(descriptor)
        if scheme := _float_scheme(build):
            found = {**descriptor.write(scheme, source, reference, file, Int8()), "format": scheme}
        else:
            asked = _asked(build.plan.recipe.stages.quantize, student, descriptor, chosen(build))
            found = {**descriptor.write_int8(source, reference, file, asked)}
        return Int8Findings.model_validate({"bytes": file.stat().st_size, "signature": source.signature, **found})

    return Stage(
        name=f"int8 {runtime}",
        version=EXPORT_VERSION,
        findings=Int8Findings,
        make=export,
        needs=("examples", "inputs", "student", f"float {runtime}"),
        settings=settings,
        packages=ARTIFACT_PACKAGES,
    )


def _asked(settings: Quantize, student: Side, runtime: Runtime, chosen: SensitivityFindings) -> Int8:
    count = settings.examples if chosen.static else 0
    sample = student.examples_of(student.sample(count, passes=OBSERVED)) if count else ()
    return Int8(
        kept_float=chosen.kept_float,
        int4=chosen.int4,
        examples=student.subject().calibration(sample, runtime),
        calibration=settings.calibration,
    )


def _scheme(build: Build, chosen: SensitivityFindings) -> Mapping[str, object]:
    settings = build.plan.recipe.stages.quantize
    parts = {"kept_float": list(chosen.kept_float), "int4": list(chosen.int4)}
    calibration = {"calibration": settings.calibration} if chosen.static else {}
    if scheme := _float_scheme(build):
        return {"scheme": scheme, **calibration, **parts}
    scheme = STATIC if chosen.static else DYNAMIC
    return {"scheme": scheme, "examples": settings.examples if chosen.static else 0, **calibration, **parts}


def _float_scheme(build: Build) -> str | None:
    """The scheme that the recipe asks for, where it rounds nothing to integers."""
    scheme = build.plan.recipe.stages.quantize.scheme
    return None if rounds_to_integers(scheme) else scheme
