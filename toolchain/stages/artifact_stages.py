"""The stages that follow on a float student: what int8 does to it, its artifacts, and their checks.

In:  a `Build` with a teacher and a student.
Out: the stages, in their order. Which those are follows from the recipe, the device and the student's family.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from edgewright.quantize.schemes import QUANTIZATION_SCHEMES, Scheme
from edgewright.runtimes.table import RUNTIMES
from edgewright.stages.account import ACCOUNT
from edgewright.stages.check import check_stage
from edgewright.stages.export_float import export_float, export_teacher
from edgewright.stages.export_int8 import export_int8
from edgewright.stages.exported import runtimes_of
from edgewright.stages.search_index import INDEX_CORPUS
from edgewright.stages.sensitivity import FIRST, SECOND, sensitivity_stage
from edgewright.stages.sides import student_of
from edgewright.stages.stage import Build, Findings, Stage
from edgewright.stages.train import scheme_of


def schemes_for(build: Build, runtimes: Sequence[str]) -> dict[str, Scheme]:
    """The scheme of each runtime's artifact: that of the recipe or the family, or what it has in place of that."""
    scheme = scheme_of(build.plan, student_of(build).model())
    return {name: QUANTIZATION_SCHEMES[RUNTIMES[name].chosen(scheme)] for name in runtimes}


def artifact_stages(build: Build) -> Iterator[Stage[Findings]]:
    """From the float student to the checked artifacts."""
    runtimes = runtimes_of(build.plan)
    schemes = schemes_for(build, runtimes)
    static = dict.fromkeys(scheme.static for scheme in schemes.values())
    sensitivities = dict(zip(static, (FIRST, SECOND), strict=False))
    yield ACCOUNT
    for scales, name in sensitivities.items():
        yield sensitivity_stage(static=scales, name=name)
    yield INDEX_CORPUS
    for runtime in runtimes:
        yield export_float(runtime)
        yield export_int8(runtime, schemes[runtime].name, sensitivities[schemes[runtime].static])
        yield export_teacher(runtime)
        yield check_stage(runtime)
