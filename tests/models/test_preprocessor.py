"""Image processors: pictures are framed and scaled as the model's own processor does it, or the setting is refused."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from edgewright.errors import BadModelError, UnsupportedModelError
from edgewright.models.image_teacher import framing, load_images
from edgewright.models.preprocessor import preparation
from edgewright.specs.recipe import ModelSource
from tests import tiny, tiny_vision

SIZES = [(40, 60), (60, 40), (33, 33), (17, 90), (8, 12)]
NORMALISED = {"image_mean": [0.1, 0.2, 0.3], "image_std": [0.4, 0.5, 0.6]}


def pictures() -> list[np.ndarray]:
    drawn = np.random.default_rng(0)
    return [drawn.integers(0, 256, (*size, 3), dtype=np.uint8) for size in SIZES]


def vit(place: Path, described: dict[str, Any]) -> Path:
    folder, _ = tiny.family_folder(place, "vit", "ForImageClassification", num_labels=2, image_size=[16, 24])
    (folder / "preprocessor_config.json").write_text(json.dumps(described))
    return folder


def net(place: Path, kind: str, described: dict[str, Any]) -> Path:
    tiny_vision.hugging_face(kind).save_pretrained(place)
    (place / "preprocessor_config.json").write_text(json.dumps(described))
    return place


@pytest.mark.parametrize(
    "described",
    [
        {"image_processor_type": "ViTImageProcessor", "size": {"height": 16, "width": 24}},
        {"feature_extractor_type": "ViTFeatureExtractor", "size": {"height": 16, "width": 24}, **NORMALISED},
        {"image_processor_type": "ViTImageProcessorFast", "size": {"height": 16, "width": 24}, "resample": 3},
        {"image_processor_type": "ViTImageProcessor", "size": {"height": 16, "width": 24}, "resample": 0},
        {"image_processor_type": "ViTImageProcessor", "size": {"height": 16, "width": 24}, "rescale_factor": 1 / 128},
        {
            "image_processor_type": "DeiTImageProcessor",
            "size": {"height": 20, "width": 30},
            "crop_size": {"height": 16, "width": 24},
        },
        {
            "image_processor_type": "MobileNetV2ImageProcessor",
            "size": {"shortest_edge": 20},
            "crop_size": {"height": 16, "width": 24},
        },
    ],
)
def test_a_vision_transformer_scores_pictures_of_any_size_as_its_own_pipeline_does(
    tmp_path: Path, described: dict[str, Any]
) -> None:
    folder = vit(tmp_path, described)
    teacher = load_images(ModelSource(folder=folder), labels=["0", "1"])
    assert teacher.reference is not None
    compared = teacher.reference.compare(pictures())
    assert (compared.what, compared.examples) == ("outputs", len(SIZES))
    assert compared.greatest_difference < 1e-4 < compared.greatest_output
    found = framing(ModelSource(folder=folder), image_size=None)
    assert found is not None
    assert {found.of(picture).shape for picture in pictures()} == {(16, 24, 3)}
    assert found.of(pictures()[0][..., 0]).shape == (16, 24)


@pytest.mark.parametrize(
    ("kind", "described", "size"),
    [
        ("resnet-basic", {"image_processor_type": "ConvNextImageProcessor", "size": {"shortest_edge": 28}}, (28, 28)),
        ("resnet-basic", {"size": {"shortest_edge": 28}, "crop_pct": 0.9, "resample": 2}, (28, 28)),
        ("resnet-basic", {"size": 28, "crop_pct": 0.875}, (28, 28)),
        ("mobilenet_v1", {"size": {"shortest_edge": 40}, "crop_size": {"height": 28, "width": 36}}, (28, 36)),
        ("mobilenet_v2", {"image_processor_type": "MobileNetV2ImageProcessor", "crop_size": 32, "size": 36}, (32, 32)),
    ],
)
def test_a_nets_pictures_are_made_its_input_as_its_own_processor_does(
    tmp_path: Path, kind: str, described: dict[str, Any], size: tuple[int, int]
) -> None:
    source = ModelSource(folder=net(tmp_path, kind, described))
    teacher = load_images(source, labels=[str(label) for label in range(10)])
    assert (teacher.scaling.height, teacher.scaling.width) == size
    assert teacher.reference is not None
    compared = teacher.reference.compare(pictures())
    assert compared.what == "pixels"
    assert compared.greatest_difference < 1e-5
    assert framing(source, image_size=None) == framing(source, image_size=size) is not None
    assert framing(source, image_size=(16, 16)) is None


def test_what_is_done_to_pictures_is_said(tmp_path: Path) -> None:
    labels = [str(label) for label in range(10)]
    folder = net(tmp_path / "net", "mobilenet_v1", {"size": {"shortest_edge": 40}, "crop_size": 32, "resample": 3})
    told = "resized to a shorter side of 40 (bicubic), cropped to the middle 32 × 32"
    source = ModelSource(folder=folder)
    assert load_images(source, labels=labels).notes[-1] == f"pictures are {told}, as preprocessor_config.json says"
    other = load_images(source, labels=labels, image_size=(16, 16)).notes[-1]
    assert other == f"pictures are resized to 16 × 16 (bilinear), not as preprocessor_config.json says ({told})"
    (folder / "preprocessor_config.json").unlink()
    assert load_images(source, labels=labels).notes[-1].startswith("no preprocessor_config.json: pictures are resized")


@pytest.mark.parametrize(
    ("described", "said"),
    [
        ({"do_pad": True}, r"do_pad = true in preprocessor_config\.json"),
        ({"rescale_offset": True}, "rescale_offset = true"),
        ({"do_flip_channel_order": True}, "do_flip_channel_order = true"),
        ({"size": {"longest_edge": 20}}, "longest_edge"),
        ({"resample": 7}, "resample = 7"),
        ({"image_processor_type": "CLIPImageProcessor"}, "the image processor CLIPImageProcessor"),
        ({"crop_fraction": 0.9}, r"crop_fraction = 0\.9"),
    ],
)
def test_a_setting_that_is_not_understood_is_refused_by_name(
    tmp_path: Path, described: dict[str, Any], said: str
) -> None:
    with pytest.raises(UnsupportedModelError, match=said):
        load_images(ModelSource(folder=vit(tmp_path, described)), labels=["0", "1"])


@pytest.mark.parametrize("described", [{"size": {"height": "x", "width": 2}}, {"image_std": 0}, {"size": []}])
def test_settings_that_do_not_fit_together_are_a_bad_model(tmp_path: Path, described: dict[str, Any]) -> None:
    with pytest.raises(BadModelError, match="preprocessor_config"):
        preparation(ModelSource(folder=vit(tmp_path, described)))


@torch.inference_mode()
def test_a_classifier_of_another_head_is_compared_by_its_patches(tmp_path: Path) -> None:
    folder = vit(tmp_path, {"size": {"height": 16, "width": 24}})
    teacher = load_images(ModelSource(folder=folder), labels=["a", "b", "c"])
    assert not teacher.fitted
    assert teacher.reference is not None
    assert teacher.reference.compare(pictures()).what == "vectors of patches"
