"""The stage that exports the quantised artifact of one runtime, in the scheme of the recipe or of the model's family.

In:  the student, its float file of that runtime, and what its sensitivity says of each part.
Out: the model file that a bundle has.
"""

from __future__ import annotations

from collections.abc import Mapping

from pydantic import ConfigDict, JsonValue

from edgewright.base.cache import ARTIFACT_PACKAGES
from edgewright.quantize.schemes import QUANTIZATION_SCHEMES, Scheme
from edgewright.runtimes.descriptor import Runtime
from edgewright.runtimes.quantization import Int8, int4_group
from edgewright.runtimes.table import RUNTIMES
from edgewright.specs.recipe import Quantize
from edgewright.specs.signature import Signature
from edgewright.stages.export_float import EXPORT_VERSION, artifact_name, export_settings
from edgewright.stages.sensitivity import SensitivityFindings
from edgewright.stages.sides import Side, student_of
from edgewright.stages.stage import Build, Findings, Stage, Workspace

USUAL_FORMAT = "int8"
OBSERVED = 10  # passes over a model that counting all of its values takes as long as


class Int8Findings(Findings):
    """The size of the file, and what it takes and gives.

    Where the runtime reports it, also how many operators its delegate took, and which it did not; and whatever else its
    writer reports, under names of its own.
    """

    model_config = ConfigDict(extra="allow")

    __pydantic_extra__: dict[str, JsonValue]

    bytes: int
    signature: Signature
    format: str = USUAL_FORMAT
    delegated: int | None = None
    fallbacks: dict[str, int] | None = None


def export_int8(runtime: str, scheme_name: str, sensitivity: str) -> Stage[Int8Findings]:
    """The stage for a runtime and a quantisation scheme, by the choice that the stage called `sensitivity` made."""
    name, scheme = artifact_name(runtime), QUANTIZATION_SCHEMES[scheme_name]

    def chosen(build: Build) -> SensitivityFindings:
        return build.findings(sensitivity, SensitivityFindings)

    def settings(build: Build) -> Mapping[str, object]:
        return {**export_settings(runtime, student_of(build)), **_scheme(build, scheme, chosen(build))}

    def export(build: Build, work: Workspace) -> Int8Findings:
        file, reference = work.folder / name, build.result(f"float {runtime}").file(name)
        descriptor, student = RUNTIMES[runtime], student_of(build)
        source = student.subject().for_runtime(descriptor)
        asked = _asked(build.plan.recipe.stages.quantize, student, descriptor, chosen(build))
        writer = build.plan.recipe.stages.quantize.weights if asked.narrow else scheme.name
        found = {**descriptor.write(writer, source, reference, file, asked)}
        if scheme.format != USUAL_FORMAT:
            found["format"] = scheme.format
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
        excluded=chosen.kept_float,
        narrow=chosen.int4,
        group=int4_group(student.input_spec()) if chosen.int4 else None,
        examples=student.subject().calibration(sample, runtime),
        calibration=settings.calibration,
    )


def _scheme(build: Build, scheme: Scheme, chosen: SensitivityFindings) -> Mapping[str, object]:
    settings = build.plan.recipe.stages.quantize
    examples = {"examples": settings.examples if chosen.static else 0} if scheme.is_integer else {}
    calibration = {"calibration": settings.calibration} if chosen.static else {}
    narrow = {"weights": settings.weights} if chosen.int4 else {}
    parts = {"kept_float": list(chosen.kept_float), "int4": list(chosen.int4)}
    return {"scheme": scheme.name, **examples, **calibration, **narrow, **parts}
