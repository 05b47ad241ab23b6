"""An artifact that writes is checked beside the float student's logits; one of other weights is found out."""

from pathlib import Path

import pytest
import torch

from edgewright.modality.causal_dataset import JUDGED_LENGTH, JUDGED_TOKENS
from edgewright.runtimes.table import RUNTIMES
from edgewright.stages.check_writing import checked_writing
from edgewright.stages.sensitivity import SensitivityFindings
from tests.stages import builds, writing_builds

pytestmark = pytest.mark.usefixtures("own_places")


def test_sensitivity_is_by_the_divergence_of_a_bounded_number_of_tokens(tmp_path: Path) -> None:
    off = {"enabled": False}
    data = writing_builds.documents(tmp_path)
    changes = {
        "prune": off,
        "distill": off,
        "vocabulary": off,
        "quantize": {"weights": "int4"},
        "export": {"runtimes": ["litert"]},
    }
    build = builds.plan(writing_builds.recipe(data, **changes))
    student = builds.side_of(build)
    dataset = student.dataset
    sample = dataset.for_sensitivity(256, macs=1.0, passes=3)
    assert 400 < sum(sample.sizes) <= JUDGED_TOKENS
    assert max(sample.sizes) <= JUDGED_LENGTH
    wanted = dataset.judged(student.to_run(), sample)
    assert wanted.shape == (sum(sample.sizes), 400)
    assert torch.allclose(wanted.exp().sum(dim=-1), torch.ones(len(wanted)), atol=1e-4)
    assert dataset.distance(wanted, wanted) == pytest.approx(0.0, abs=1e-3)
    made = SensitivityFindings.model_validate(builds.judged(build))
    assert made.error is not None
    assert 0.005 < made.error < 1
    assert {part.name for part in made.parts} >= {"tokens", "output", "layers.0.down"}
    assert made.left is not None
    assert made.left <= 0.1 or not made.int4


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
    kept = found.parity.generation
    assert kept is not None
    assert kept.prefill is not None
    assert kept.decode is not None
    assert kept.tokens == kept.prefill.tokens + kept.decode.tokens > 100
    assert kept.bits_per_byte is not None
    assert kept.bits_per_byte == pytest.approx(kept.float_bits_per_byte, abs=1e-4)
    assert found.score == pytest.approx(student.findings.score, abs=1e-4)
    other = builds.side_of(builds.plan(writing_builds.recipe(data, prune={"layers": 1}, distill=off, vocabulary=off)))
    assert not checked_writing(other, "onnx", file, source.signature).parity.passed
