"""Students exported in each scheme."""

from pathlib import Path

import pytest

from edgewright import pipeline, stages
from edgewright.cost.int8_gain import int8_of
from edgewright.errors import InputError
from edgewright.quantize.simulated import linear_parts, parts_of
from edgewright.specs.profiles import load_profile
from edgewright.stages.exported import exported
from tests.stages.builds import PROFILE, encoder_of, plan, recipe, sensitivities

pytestmark = pytest.mark.usefixtures("places_of_stages")


@pytest.mark.slow
def test_a_student_is_float16_on_a_device_that_computes_in_it_and_on_no_other(paired: Path, tmp_path: Path) -> None:
    asked = {"quantize": {"scheme": "float16"}, "export": {"runtimes": ["executorch"]}}
    given = recipe("embedding", paired, **asked)
    with pytest.raises(InputError, match="raspberry-pi-4 has no arithmetic for float16"):
        pipeline.build(given, PROFILE, tmp_path / "slower")
    result = pipeline.build(given, load_profile("raspberry-pi-5"), tmp_path / "bundle")
    (artifact,) = result.bundle.manifest.artifacts
    assert artifact.parity.cosine_min > 0.999
    assert artifact.score == pytest.approx(result.bundle.manifest.student.score, abs=0.02)
    (row,) = int8_of(result.bundle.manifest)
    assert row.verdict.startswith("float16 executorch is ")


@pytest.mark.slow
def test_a_student_taught_in_int4_bears_it_and_its_linear_layers_take_half_the_bytes(paired: Path) -> None:
    narrow = {"weights": "int4", "max_error_percent": 100}
    asked = {"int8": {}, "int4": narrow, "taught": {**narrow, "qat": {"epochs": 6, "learning_rate": 1e-3}}}
    made = {
        name: pipeline.run_stages(plan(recipe("embedding", paired, quantize=quantize)))
        for name, quantize in asked.items()
    }
    left = {name: sensitivities(each)[0].findings.left for name, each in made.items()}
    assert left["int8"] < left["taught"] < 0.95 * left["int4"]
    student = stages.student_of(made["int4"]).to_run()
    halved = sum(parts_of(student)[name].weight.numel() for name in linear_parts(student)) / 2
    for wide, small in zip(exported(made["int8"]), exported(made["int4"]), strict=True):
        assert wide.int8.findings.bytes - small.int8.findings.bytes == pytest.approx(halved, rel=0.3)


@pytest.mark.slow
def test_texts_too_are_taught_and_exported_on_scales_of_their_own(labelled: Path, tmp_path: Path) -> None:
    quantize = {"scheme": "static-int8", "qat": {"epochs": 4, "learning_rate": 1e-3}, "max_error_percent": 30}
    runtimes = {"runtimes": ["executorch", "litert", "onnx", "tflite"]}
    given = recipe("classification", labelled, quantize=quantize | {"smooth": 0.5}, export=runtimes)
    manifest = pipeline.build(given, PROFILE, tmp_path / "bundle").bundle.manifest
    names = [stage.name for stage in manifest.stages]
    assert names.index("aware") == names.index("distill") + 1
    findings = {stage.name: stage.findings for stage in manifest.stages}
    assert findings["aware"]["steps"] > 0
    assert findings["sensitivity"]["static"] is True
    for artifact in manifest.artifacts:
        assert artifact.parity.cosine_min > 0.9, artifact
        assert artifact.score == pytest.approx(manifest.student.score, abs=0.1)


@pytest.mark.slow
def test_a_runtime_without_dynamic_kernels_gets_fixed_scales_and_its_own_choice_of_parts(paired: Path) -> None:
    made = pipeline.run_stages(plan(recipe("embedding", paired, export={"runtimes": ["litert", "tflite"]})))
    assert [stage.name for stage in sensitivities(made)] == ["sensitivity", "second sensitivity"]
    assert [stage.findings.static for stage in sensitivities(made)] == [False, True]
    litert, tflite = exported(made)
    assert (litert.file(litert.int8).name, tflite.file(tflite.int8).name) == ("model.tflite", "model-tflite.tflite")
    assert tflite.int8.settings["scheme"] == "static-int8"
    assert tflite.check.findings.parity.cosine_min > 0.95
    assert litert.check.findings.parity.passed


@pytest.mark.slow
def test_an_artifact_is_larger_by_the_parts_that_the_recipe_keeps_float(paired: Path) -> None:
    sizes = {}
    for kept in ((), ("encoder.tokens",)):
        made = pipeline.run_stages(plan(recipe("embedding", paired, quantize={"exclude": kept})))
        assert all(each.check.findings.parity.passed for each in exported(made))
        sizes[kept] = {each.runtime: each.int8.findings.bytes for each in exported(made)}
    table = encoder_of(stages.student_of(made).stage).tokens.weight.numel()
    for runtime, plain in sizes[()].items():
        assert sizes["encoder.tokens",][runtime] - plain == pytest.approx(3 * table, rel=0.2)
