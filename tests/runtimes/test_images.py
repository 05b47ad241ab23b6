"""Nets and transformers of images as artifacts of every runtime: float, int8 on scales of their own, parts in float."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from edgewright.modality.image_spec import ImageInputSpec
from edgewright.models import convnet_sources
from edgewright.models.image import Scaling, outputs
from edgewright.models.image_teacher import load_images
from edgewright.models.inputs import ImageInputs
from edgewright.runtimes.quantization import Int8
from edgewright.runtimes.subject import Subject
from edgewright.runtimes.table import RUNTIMES
from edgewright.specs.recipe import ModelSource
from tests import tiny, tiny_vision
from tests.calls import answered, compared

pytestmark = pytest.mark.slow

LIMITS = {"mobilenet_v2": 0.85}


def pictures(count: int, shape: tuple[int, int, int]) -> Any:
    """Light spots on a dark ground: noise would be all alike to a net."""
    chance = np.random.default_rng(0)
    found = chance.integers(0, 60, (count, *shape), dtype=np.uint8)
    for image in found:
        row, column = (int(chance.integers(0, side - 3)) for side in shape[:2])
        image[row : row + 3, column : column + 3] = chance.integers(160, 256)
    return found


def subject_of(place: Path, kind: str) -> Subject:
    if kind == "vit":
        folder, _ = tiny.family_folder(place, "vit", "ForImageClassification", num_labels=3)
        teacher = load_images(ModelSource(folder=folder), labels=["0", "1", "2"])
        scaling = teacher.scaling
        spec = ImageInputSpec(height=scaling.height, width=scaling.width, channels=scaling.channels, scaling=scaling)
        return Subject(model=teacher.model, spec=spec)
    if kind == "mixed":
        net = convnet_sources.from_factory("tests.tiny_vision:mixed")
    else:
        tiny_vision.hugging_face(kind).save_pretrained(place)
        net = convnet_sources.from_pretrained(place, side=16)
    side = net.origin.image.height
    scaling = Scaling(height=side, width=side, mean=(0.3,), deviation=(0.3,))
    return Subject(model=net, spec=ImageInputSpec(height=side, width=side, channels=1, scaling=scaling))


def said(subject: Subject, pixels: Any) -> torch.Tensor:
    assert isinstance(subject.spec, ImageInputSpec)
    scaling = subject.spec.scaling
    assert scaling is not None
    return outputs(subject.model, ImageInputs(pixels, mean=scaling.mean, std=scaling.deviation))


def run(runtime: str, file: Path, subject: Subject, pixels: Any) -> torch.Tensor:
    return answered(runtime, file, subject.spec, pixels)


@pytest.mark.parametrize(
    ("runtime", "kind"),
    [
        *((runtime, "resnet-basic") for runtime in RUNTIMES),
        ("executorch", "mobilenet_v2"),
        ("onnx", "mixed"),
        ("litert", "vit"),
        ("tflite", "vit"),
    ],
)
def test_float_and_int8_artifacts_say_what_the_model_says(tmp_path: Path, runtime: str, kind: str) -> None:
    subject, made_for = subject_of(tmp_path, kind), RUNTIMES[runtime]
    assert isinstance(subject.spec, ImageInputSpec)
    seen = pictures(80, subject.spec.shape)
    examples, asked = seen[:64], seen[64:]
    twin, small = (tmp_path / f"{name}{made_for.suffix}" for name in ("float", "int8"))
    made_for.write_float(subject.for_runtime(made_for), twin)
    expected = said(subject, asked)
    assert torch.allclose(run(runtime, twin, subject, asked), expected, rtol=1e-3, atol=1e-3)
    # A net's layers read what is on scales of their own; a transformer's have outliers, and are scaled as they come.
    asked_for = Int8(
        examples=() if kind == "vit" and made_for.supports("dynamic-int8") else subject.calibration(examples, made_for)
    )
    made_for.write_int8(subject.for_runtime(made_for), twin, small, asked_for)
    found = run(runtime, small, subject, asked)
    assert found.dtype == torch.float32
    # Nobody taught these: of a deep net with random weights int8 leaves less than of a real one.
    assert compared(found, expected, cosine_limit=LIMITS.get(kind, 0.98)).passed, compared(found, expected)
    assert not torch.allclose(found, expected, atol=1e-5)
    assert small.stat().st_size < 0.75 * twin.stat().st_size


@pytest.mark.parametrize("runtime", ["executorch", "litert", "onnx"])
def test_a_convolution_that_is_named_stays_float_and_one_that_int8_spoils_is_right_again(
    tmp_path: Path, runtime: str
) -> None:
    """A large weight on a channel that is always 0 changes nothing, but takes all steps of its row's scale."""
    subject, made_for = subject_of(tmp_path, "mixed"), RUNTIMES[runtime]
    assert isinstance(subject.spec, ImageInputSpec)
    left, joined, hidden = (subject.model.get_submodule(f"network.{name}") for name in ("left", "joined", "hidden"))
    assert isinstance(left, nn.Conv2d)
    assert isinstance(joined, nn.Conv2d)
    assert isinstance(hidden, nn.Linear)
    assert left.bias is not None
    with torch.no_grad():
        left.weight[0], left.bias[0] = 0.0, -1.0
        joined.weight[:, 0] = 100.0
    seen = pictures(48, subject.spec.shape)
    twin = tmp_path / f"float{made_for.suffix}"
    made_for.write_float(subject.for_runtime(made_for), twin)
    expected = said(subject, seen[32:])
    errors, sizes = {}, {}
    for kept in ((), ("network.joined", "network.hidden")):
        file = tmp_path / f"{len(kept)}{made_for.suffix}"
        made_for.write_int8(
            subject.for_runtime(made_for),
            twin,
            file,
            Int8(excluded=kept, examples=subject.calibration(seen[:32], made_for)),
        )
        found = run(runtime, file, subject, seen[32:])
        errors[kept] = float((found - expected).square().mean().sqrt() / expected.square().mean().sqrt())
        sizes[kept] = file.stat().st_size
    float_more = 3 * (joined.weight.numel() + hidden.weight.numel())
    first, second = sizes.values()
    assert second - first == pytest.approx(float_more, rel=0.25)
    assert errors["network.joined", "network.hidden"] < 0.1 < 0.2 < errors[()]
