"""Float models exported to be compared with, as stages."""

from edgewright.runtimes.table import RUNTIMES
from edgewright.stages.export_float import artifact_name, export_float, export_teacher


def test_files_of_several_runtimes_lie_beside_each_other_in_a_bundle() -> None:
    names = [artifact_name(runtime) for runtime in RUNTIMES]
    assert len(set(names)) == len(names)


def test_a_teachers_file_does_not_depend_on_its_student() -> None:
    assert "student" not in export_teacher("litert").needs
    assert "student" in export_float("litert").needs
