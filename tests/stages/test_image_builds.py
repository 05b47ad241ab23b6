"""From images to a bundle: nets of convolutions and vision transformers, built, checked, measured and asked."""

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from pydantic import ValidationError

from edgewright import pipeline, stages
from edgewright.base.progress import Silent
from edgewright.bundles import answering as answer
from edgewright.bundles.bundle import Bundle
from edgewright.data.images import Images
from edgewright.devices.benchmark import bench
from edgewright.errors import BundleError, InputError
from edgewright.models.convnet import ConvNet
from edgewright.models.model import TransformerModel
from edgewright.pipeline import BuildResult
from edgewright.quantize.simulated import as_int8, parts_of, ranges_of
from edgewright.specs.profiles import load_profile
from edgewright.specs.recipe import Recipe
from edgewright.stages import Plan
from tests.models.test_image import net_folder
from tests.stages.builds import Made, build_of, images_of, model_of, sensitivities, stage_of
from tests.targets.adbd import adb_server, started_device

PROFILE = load_profile("raspberry-pi-4")
SIDE = 8


pytestmark = pytest.mark.usefixtures("own_places")


def recipe(model: Mapping[str, Any], task: Mapping[str, Any] | None = None, **changes: Mapping[str, Any]) -> Recipe:
    """Digits, built in seconds; `changes` are merged into the sections of stages."""
    sections: dict[str, dict[str, Any]] = {
        "finetune": {"refit": True, "epochs": 6, "learning_rate": 3e-3},
        "prune": {"keep_macs": 0.3},
        "distill": {"epochs": 6, "learning_rate": 3e-3, "output_weight": 1},
        "export": {"runtimes": ["executorch", "litert"]},
    }
    for name, values in changes.items():
        sections[name] = {**sections.get(name, {}), **values}
    return Recipe.model_validate(
        {
            "recipe": {"name": "tiny-digits"},
            "model": model,
            "task": {"kind": "image-classification", **(task or {})},
            "data": {"builtin": "digits"},
            "budget": {"artifact_mb": 0.5, "max_score_loss_percent": 20},
            "stages": sections,
        }
    )


def plan(made_from: Recipe) -> Plan:
    return Plan(recipe=made_from, profile=PROFILE, progress=Silent())


@pytest.fixture(scope="module")
def net() -> Recipe:
    quantize = {"qat": {"epochs": 1}, "max_score_loss_points": 5}
    return recipe({"factory": "tests.tiny_vision:digits_net"}, quantize=quantize)


@pytest.fixture(scope="module")
def transformer(tmp_path_factory: pytest.TempPathFactory) -> Recipe:
    """Cut in two steps, and built for ONNX too."""
    import transformers

    config = transformers.ViTConfig(
        hidden_size=32, num_hidden_layers=2, num_attention_heads=4, intermediate_size=64, initializer_range=0.1,
        image_size=SIDE, patch_size=2, num_channels=1, num_labels=10,
    )  # fmt: skip
    folder = tmp_path_factory.mktemp("vit")
    torch.manual_seed(0)
    transformers.ViTForImageClassification(config).save_pretrained(folder)
    runtimes = {"runtimes": ["executorch", "litert", "onnx"]}
    return recipe(
        {"folder": folder},
        prune={"keep_macs": 0.5, "steps": 2},
        low_rank={"energy": 0.99},
        export=runtimes,
        distill={"hidden_weight": 1},
    )


@pytest.fixture(scope="module")
def built(net: Recipe, tmp_path_factory: pytest.TempPathFactory) -> BuildResult:
    return pipeline.build(net, PROFILE, tmp_path_factory.mktemp("net") / "bundle")


def picture(place: Path, digit: int) -> Path:
    """A digit that was held out, four times as large, as a coloured file."""
    from sklearn.datasets import load_digits

    found = load_digits()
    pixels = found.images[list(found.target).index(digit)] / 16 * 255
    path = place / f"{digit}.png"
    Image.fromarray(pixels.astype(np.uint8)).convert("RGB").resize((32, 32)).save(path)
    return path


@pytest.mark.slow
def test_a_net_becomes_a_bundle_that_knows_digits_in_int8(built: BuildResult) -> None:
    manifest = built.bundle.manifest
    assert (manifest.task.kind, manifest.task.metric) == ("image-classification", "accuracy")
    assert manifest.task.inputs == {"height": SIDE, "width": SIDE, "channels": 1, "framing": None}
    assert manifest.task.labels == tuple("0123456789")
    assert manifest.teacher.score > 0.9
    assert manifest.baseline.name == "pixels + logistic regression"
    for artifact in manifest.artifacts:
        assert artifact.parity.passed, artifact.parity
        assert artifact.score == pytest.approx(manifest.student.score, abs=0.03)
        assert artifact.bytes < 0.5 * manifest.teacher.bytes
    assert built.verdict.met, built.verdict.summary()
    findings = {stage.name: stage.findings for stage in manifest.stages}
    assert findings["prune"]["macs"] <= 0.3 * findings["teacher"]["macs"]
    assert findings["distill"]["score"] > 0.95 * findings["teacher"]["score"]
    assert findings["sensitivity"]["static"] is True
    assert findings["account"]["count"] == 1797 - sum(
        findings["images"]["examples"][p] for p in ("train", "validation")
    )
    settings = {stage.name: stage.settings for stage in manifest.stages}
    assert settings["int8 executorch"]["scheme"] == "static-int8"
    assert [row["stage"] for row in built.summary()["compression"]][:4] == ["teacher", "prune", "distill", "aware"]


@pytest.mark.slow
def test_its_test_vectors_are_the_bytes_of_held_out_images_with_the_students_outputs(
    built: BuildResult, net: Recipe
) -> None:
    vectors = built.bundle.vectors()
    made = pipeline.run_stages(plan(net))
    assert stages.student_of(made).stage.entry.cached
    inputs = np.concatenate([call.inputs["pixels"] for call in vectors.calls])
    assert inputs.shape == (16, SIDE, SIDE, 1)
    assert inputs.dtype == np.uint8
    held_out = {image.tobytes() for image in stages.student_of(made).dataset.examples.test.pixels}
    assert all(image.tobytes() in held_out for image in inputs)
    found = stages.student_of(made).outputs(stages.student_of(made).asked())
    assert torch.allclose(
        torch.cat([torch.tensor(call.outputs["output"]) for call in vectors.calls]).float(), found, atol=1e-5
    )
    assert "inputs" not in json.loads(built.bundle.file("vectors.json").read_text())


@pytest.mark.slow
@pytest.mark.parametrize("runtime", ["executorch", "litert"])
def test_it_is_measured_here_and_says_which_digit_a_file_shows(
    built: BuildResult, runtime: str, tmp_path: Path
) -> None:
    found = bench(built.bundle.path, "local:", runtime=runtime, quick=True)
    assert found.parity.passed
    assert found.measurement.input_lengths == (SIDE * SIDE,) * 16
    asked = answer.AskOptions(runtime=runtime)
    said = [answer.answer_of(built.bundle, str(picture(tmp_path, digit)), asked) for digit in (0, 4, 7)]
    assert [each["labels"][0]["label"] for each in said] == ["0", "4", "7"]
    assert all(each["kind"] == "classification" for each in said)


@pytest.mark.slow
def test_an_input_that_is_no_image_is_told(built: BuildResult, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="there is no file seven; the bundle's model takes images"):
        answer.answer_of(built.bundle, "seven")
    broken = tmp_path / "broken.png"
    broken.write_bytes(b"no picture")
    with pytest.raises(InputError, match=r"broken\.png"):
        answer.answer_of(built.bundle, str(broken))


@pytest.mark.slow
def test_one_flipped_bit_of_its_images_is_refused(built: BuildResult, tmp_path: Path) -> None:
    import shutil

    copy = tmp_path / "bundle"
    shutil.copytree(built.bundle.path, copy)
    content = bytearray((copy / "images.bin").read_bytes())
    content[5] ^= 1
    (copy / "images.bin").write_bytes(content)
    with pytest.raises(BundleError, match=r"images\.bin was altered"):
        Bundle.open(copy)


@pytest.mark.slow
def test_a_second_build_takes_everything_from_the_cache(built: BuildResult, net: Recipe, tmp_path: Path) -> None:
    again = pipeline.build(net, PROFILE, tmp_path / "again.zip")
    assert all(stage.cached for stage in again.bundle.manifest.stages)
    assert again.bundle.manifest.artifacts == built.bundle.manifest.artifacts


@pytest.mark.slow
def test_the_lesson_in_int8_is_kept_where_only_the_choice_of_parts_changes(net: Recipe, built: BuildResult) -> None:
    quantize = net.stages.quantize.model_copy(update={"max_error_percent": 7.0, "max_score_loss_points": 3.0})
    stricter = net.model_copy(update={"stages": net.stages.model_copy(update={"quantize": quantize})})
    made = pipeline.run_stages(plan(stricter))
    assert (stages.student_of(made).stage.name, stages.student_of(made).stage.entry.cached) == ("aware", True)
    assert not made.result("sensitivity").entry.cached


@pytest.mark.slow
def test_the_lesson_in_int8_is_a_stage_of_its_own_that_int8_does_not_harm(net: Recipe, built: BuildResult) -> None:
    made = pipeline.run_stages(plan(net))
    trained = [Made.of(result) for result in made.made if result.name in (*stages.TRAININGS, stages.AWARE)]
    before, after = trained[-2:]
    assert (before.name, after.name) == ("distill", "aware")
    assert after.findings["steps"] > 0
    assert (after.settings["epochs"], after.settings["learning_rate"]) == (1, 1e-4)
    first, second = (model_of(stage, factory="tests.tiny_vision:digits_net") for stage in (before, after))
    assert isinstance(second, ConvNet)
    assert second.state_dict().keys() == first.state_dict().keys()
    assert not torch.equal(second.network.stem.weight, first.network.stem.weight)  # type: ignore[union-attr,arg-type]
    side = stages.student_of(made)
    sample, asked = side.sample(256), side.held_out()
    ranges = ranges_of(second, lambda trial: side.outputs(sample, model=trial))
    with as_int8(second, list(parts_of(second)), ranges=ranges):
        found = side.outputs(asked, model=second)
    assert side.score().of(found) >= after.findings["score"] - 0.01
    (judged,) = sensitivities(made)
    assert judged.findings.left_points is not None
    assert judged.findings.left_points <= 5
    assert len(side.held_out("validation")) != len(asked)


@pytest.mark.slow
def test_a_transformer_is_cut_in_steps_and_built_for_every_runtime(transformer: Recipe, tmp_path: Path) -> None:
    result = pipeline.build(transformer, PROFILE, tmp_path / "bundle")
    manifest = result.bundle.manifest
    names = [stage.name for stage in manifest.stages]
    assert names[2:8] == ["prune", "teach", "distill", "prune", "low rank", "distill"]
    assert [artifact.runtime for artifact in manifest.artifacts] == ["executorch", "litert", "onnx"]
    for artifact in manifest.artifacts:
        assert artifact.parity.passed, artifact.parity
        assert artifact.score == pytest.approx(manifest.student.score, abs=0.02)
    macs = [stage.findings["macs"] for stage in manifest.stages if stage.name in ("teacher", "prune")]
    assert macs[1] <= macs[0] * 0.5**0.5
    assert macs[2] <= macs[0] * 0.5
    findings = {stage.name: stage.findings for stage in manifest.stages}
    assert findings["sensitivity"]["static"] is False
    made = pipeline.run_stages(plan(transformer))
    assert isinstance(stages.student_of(made).to_run(), TransformerModel)


@pytest.mark.parametrize(
    ("task", "changes", "said"),
    [
        ({"image_size": 12}, {}, None),
        ({}, {"prune": {"keep_macs": None, "layers": 1}}, "has no layers to remove; remove stages.prune.layers"),
        (
            {},
            {"prune": {"keep_macs": None, "layers": None, "heads": 2}},
            "has no attention heads to prune; remove stages.prune.heads",
        ),
        ({}, {"prune": {"layers": 1}}, "prune.layers is not read beside prune.keep_macs"),
        ({}, {"prune": {"width": 16, "head_width": 4}}, "prune.head_width and prune.width is not read beside"),
        ({}, {"distill": {"hidden_weight": 1}}, "has no hidden states to distil; remove stages.distill.hidden_weight"),
        ({}, {"low_rank": {"energy": 0.9}}, "has no matrices to keep at a low rank; remove stages.low_rank.energy"),
    ],
)
def test_what_a_net_cannot_do_is_told(task: dict[str, Any], changes: dict[str, Any], said: str | None) -> None:
    given = recipe({"factory": "tests.tiny_vision:digits_net"}, task, finetune={"epochs": 1}, **changes)
    if said is None:  # a net of convolutions takes any size
        assert stage_of(plan(given), "teacher").findings["scaling"]["height"] == 12
        return
    with pytest.raises(InputError, match=said):
        build_of(plan(given))


def test_a_speedup_of_images_is_refused_with_what_there_is_instead() -> None:
    cut = {"keep_macs": None, "speedup": 2, "layers": None, "neurons": None}
    with pytest.raises(ValidationError, match=r"image-classification does not read it: prune\.keep_macs says"):
        recipe({"factory": "tests.tiny_vision:digits_net"}, prune=cut)


def test_images_of_another_size_than_the_models_say_what_to_set(tmp_path: Path) -> None:
    given = recipe({"folder": net_folder(tmp_path, image_size=32)})
    with pytest.raises(
        InputError, match=r"8 × 8 pixels, but the model takes 32 × 32; set task.image_size = \[32, 32\]"
    ):
        stage_of(plan(given), "teacher")


def test_a_teacher_that_is_to_stop_by_itself_needs_images_to_stop_by(monkeypatch: pytest.MonkeyPatch) -> None:
    given = recipe({"factory": "tests.tiny_vision:digits_net"}, finetune={"patience": 2, "epochs": 2})
    assert stage_of(plan(given), "teacher").findings["best_validation"] > 0
    whole = images_of(stage_of(plan(given), "images"))
    monkeypatch.setattr(Images, "load", lambda _: replace(whole, validation=whole.extra))
    other = plan(recipe({"factory": "tests.tiny_vision:digits_net"}, finetune={"patience": 3, "epochs": 2}))
    with pytest.raises(InputError, match="validation part, which is empty"):
        stage_of(other, "teacher")


def test_it_is_measured_over_adb_as_over_any_other_way(
    built: BuildResult, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("edgewright.targets.transports.adb.HOME", str(tmp_path / "device"))
    with adb_server(tmp_path) as environment, started_device() as device:
        for name, value in environment.items():
            monkeypatch.setenv(name, value)
        found = bench(built.bundle, device.address, runtime="executorch", quick=True)
    assert found.parity.passed
    assert found.measurement.target == device.address
