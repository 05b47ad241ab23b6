"""Vision transformers from every kind of source, their heads, and how images are scaled for them."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import torch

from edgewright.errors import BadModelError, InputError, UnsupportedModelError
from edgewright.models.image_teacher import ImageTeacher, load_images
from edgewright.specs.recipe import ModelSource
from tests import tiny

CLASSIFIERS = [
    ("vit", "ForImageClassification"),
    ("deit", "ForImageClassification"),
    ("deit", "ForImageClassificationWithTeacher"),
]
NAMES = {0: "cat", 1: "ant", 2: "bee"}
LABELS = ["ant", "bee", "cat"]


def images(count: int = 3) -> torch.Tensor:
    return torch.randn(count, 3, 8, 12, generator=torch.Generator().manual_seed(0))


def load(folder: Path, labels: Sequence[str] = ()) -> ImageTeacher:
    return load_images(ModelSource(folder=folder), labels=labels)


def folder_with(place: Path, described: dict[str, Any] | str) -> Path:
    folder, _ = tiny.family_folder(place, "vit")
    text = described if isinstance(described, str) else json.dumps(described)
    (folder / "preprocessor_config.json").write_text(text)
    return folder


@torch.inference_mode()
@pytest.mark.parametrize(("family", "head"), CLASSIFIERS)
def test_a_fitted_classifier_scores_the_datas_labels_in_their_order(tmp_path: Path, family: str, head: str) -> None:
    folder, model = tiny.family_folder(tmp_path, family, head, num_labels=3, id2label=NAMES)
    teacher = load(folder, LABELS)
    assert teacher.fitted
    expected = model(pixel_values=images()).logits
    assert torch.allclose(teacher.model(images()), expected[:, [1, 2, 0]], atol=1e-4)
    assert teacher.parameters_count == sum(parameter.numel() for parameter in model.parameters())
    assert teacher.size_bytes == (folder / "model.safetensors").stat().st_size


@pytest.mark.parametrize(("family", "head"), [*CLASSIFIERS, ("vit", "Model"), ("deit", "Model")])
def test_a_classifier_of_other_labels_or_of_none_gets_a_new_head(tmp_path: Path, family: str, head: str) -> None:
    changes = {} if head == "Model" else {"num_labels": 3, "id2label": NAMES}
    folder, _ = tiny.family_folder(tmp_path, family, head, **changes)
    for labels in (["ant", "bee", "dog"], ["ant", "bee"]):
        teacher = load(folder, labels)
        assert not teacher.fitted
        assert teacher.model(images()).shape == (3, len(labels))


@torch.inference_mode()
def test_without_labels_an_image_is_embedded_by_its_class_token(tmp_path: Path) -> None:
    folder, model = tiny.family_folder(tmp_path, "vit")
    expected = torch.nn.functional.normalize(model(pixel_values=images()).last_hidden_state[:, 0], dim=-1)
    assert torch.allclose(load(folder).model(images()), expected, atol=1e-4)


@torch.inference_mode()
def test_a_factory_gives_a_model_of_a_family_or_one_in_our_own_form() -> None:
    teacher = load_images(ModelSource(factory="tests.tiny:vit_factory"), labels=["0", "1"])
    assert torch.allclose(teacher.model(images()), tiny.vit_factory()(pixel_values=images()).logits, atol=1e-4)
    assert not teacher.fitted  # nothing says that it was trained
    own = load_images(ModelSource(factory="tests.tiny:own_form_vit_factory"), labels=["0", "1"])
    assert own.fitted
    assert not load_images(ModelSource(factory="tests.tiny:own_form_vit_factory"), labels=LABELS).fitted


def test_a_factory_of_something_else_is_told() -> None:
    with pytest.raises(UnsupportedModelError, match=r"a Linear from model\.factory .* supported are vit, deit"):
        load_images(ModelSource(factory="tests.tiny:linear_image_factory"))
    with pytest.raises(InputError, match="returned a model of texts"):
        load_images(ModelSource(factory="tests.tiny:own_form_text_as_image_factory"))


def test_another_family_is_not_supported_and_no_weights_are_read_to_tell(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "swin"}))
    with pytest.raises(UnsupportedModelError, match="type swin is not supported; supported are vit, deit"):
        load(tmp_path)


def test_weights_that_lack_a_layer_are_a_bad_model(tmp_path: Path) -> None:
    folder, _ = tiny.family_folder(tmp_path, "vit", "ForImageClassification", num_labels=2)
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, "num_hidden_layers": 4}))
    with pytest.raises(BadModelError, match="its weights lack"):
        load(folder, ["0", "1"])


def test_scaling_is_the_models_size_and_a_half_where_nothing_is_said(tmp_path: Path) -> None:
    folder, _ = tiny.family_folder(tmp_path, "vit")
    scaling = load(folder).scaling
    assert (scaling.height, scaling.width) == (8, 12)
    assert scaling.mean == scaling.deviation == (0.5, 0.5, 0.5)


@pytest.mark.parametrize(
    ("described", "mean", "deviation"),
    [
        ({"image_mean": [0.1, 0.2, 0.3], "image_std": [0.4, 0.5, 0.6]}, (0.1, 0.2, 0.3), (0.4, 0.5, 0.6)),
        ({"image_mean": 0.25, "image_std": 0.5}, (0.25,) * 3, (0.5,) * 3),
        ({"do_normalize": False, "image_mean": [0.1, 0.2, 0.3]}, (0.0,) * 3, (1.0,) * 3),
        ({"do_rescale": False, "image_mean": 127.5, "image_std": 127.5}, (0.5,) * 3, (0.5,) * 3),
        ({"rescale_factor": 2 / 255, "image_mean": 1.0, "image_std": 1.0}, (0.5,) * 3, (0.5,) * 3),
        ({}, (0.5,) * 3, (0.5,) * 3),
    ],
)
def test_scaling_is_as_the_preprocessor_says(
    tmp_path: Path, described: dict[str, Any], mean: tuple[float, ...], deviation: tuple[float, ...]
) -> None:
    scaling = load(folder_with(tmp_path, described)).scaling
    assert scaling.mean == pytest.approx(mean)
    assert scaling.deviation == pytest.approx(deviation)


@pytest.mark.parametrize(
    "described", ['{"image_mean": [0.5', "[]", '{"image_mean": [0.5, 0.5]}', '{"image_std": 0}', '{"image_std": ["a"]}']
)
def test_a_damaged_preprocessor_is_a_bad_model(tmp_path: Path, described: str) -> None:
    with pytest.raises(BadModelError, match="preprocessor_config"):
        load(folder_with(tmp_path, described))
