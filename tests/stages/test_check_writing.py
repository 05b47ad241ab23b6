"""An artifact that writes is checked beside the float student's logits; one of other weights is found out."""

from pathlib import Path

import pytest

from edgewright.runtimes.table import RUNTIMES
from edgewright.stages.check_writing import checked_writing
from tests.stages import builds, writing_builds

pytestmark = pytest.mark.usefixtures("own_places")


@pytest.mark.slow
def test_a_float_artifact_agrees_and_one_of_another_student_does_not(tmp_path: Path) -> None:
    off = {"enabled": False}
    data = writing_builds.documents(tmp_path)
    student = builds.side_of(builds.plan(writing_builds.recipe(data, prune=off, distill=off, vocabulary=off)))
    source = student.subject().for_runtime(RUNTIMES["onnx"])
    file = tmp_path / "model.onnx"
    RUNTIMES["onnx"].write_float(source, file)
    found = checked_writing(student, "onnx", file, source.signature)
    assert found.parity.passed
    assert found.parity.max_abs_error is not None
    assert found.parity.max_abs_error < 1e-3
    other = builds.side_of(builds.plan(writing_builds.recipe(data, prune={"layers": 1}, distill=off, vocabulary=off)))
    assert not checked_writing(other, "onnx", file, source.signature).parity.passed
