"""The stages that export a float model, to be compared with: the teacher, or the student before int8.

In:  a side of the build, and a runtime's name.
Out: the model file.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from edgewright.base.cache import ARTIFACT_PACKAGES
from edgewright.runtimes.table import RUNTIMES
from edgewright.specs.signature import Signature
from edgewright.stages.sides import Side, student_of, teacher_of
from edgewright.stages.stage import Build, Findings, Stage, Workspace

EXPORT_VERSION = 4  # of exports whose int8 tables are rounded as matrices are


class FloatFindings(Findings):
    """The size of the file, and what it takes and gives."""

    bytes: int
    signature: Signature


def artifact_name(runtime: str) -> str:
    """The model file's name in a stage's folder and in a bundle."""
    return RUNTIMES[runtime].file_name


def export_settings(runtime: str, side: Side) -> dict[str, object]:
    """What a file takes, and by which versions of the runtime's packages it is made."""
    made_for = RUNTIMES[runtime]
    spec = side.input_spec()
    lengths = list(spec.lengths) if made_for.fixed_shapes else []
    versions = {"packages": versions} if (versions := made_for.versions()) else {}
    return {"runtime": runtime, **spec.settings(), "lengths": lengths, **versions}


def export_float(runtime: str) -> Stage[FloatFindings]:
    """The student as it is before int8."""
    return _export(f"float {runtime}", runtime, student_of, ("examples", "inputs", "student"))


def export_teacher(runtime: str) -> Stage[FloatFindings]:
    """The float teacher."""
    return _export(f"teacher {runtime}", runtime, teacher_of, ("examples", "teacher"))


def _export(name: str, runtime: str, side_of: Callable[[Build], Side], needs: tuple[str, ...]) -> Stage[FloatFindings]:
    def export(build: Build, work: Workspace) -> FloatFindings:
        file = work.folder / artifact_name(runtime)
        descriptor = RUNTIMES[runtime]
        source = side_of(build).subject().for_runtime(descriptor)
        descriptor.write_float(source, file)
        return FloatFindings(bytes=file.stat().st_size, signature=source.signature)

    def settings(build: Build) -> Mapping[str, object]:
        return export_settings(runtime, side_of(build))

    return Stage(
        name=name,
        version=EXPORT_VERSION,
        findings=FloatFindings,
        make=export,
        needs=needs,
        settings=settings,
        packages=ARTIFACT_PACKAGES,
    )
