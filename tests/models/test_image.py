"""Images through a model: the module of one image's bytes, batch norms folded into convolutions, channels."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from edgewright.models import convnet, convnet_sources, families
from edgewright.models.image import ImageModule, Scaling, outputs
from edgewright.models.image_teacher import load_images
from edgewright.models.inputs import ImageInputs
from edgewright.specs.recipe import ModelSource
from tests import tiny, tiny_vision

NETS = ("tests.tiny_vision:mixed", "tests.tiny_vision:digits_net", "tests.tiny_vision:last_is_convolution")


def noise(count: int, height: int, width: int, channels: int) -> Any:
    return np.random.default_rng(0).integers(0, 256, (count, height, width, channels), dtype=np.uint8)


def hugging_face(place: Path, kind: str) -> convnet.ConvNet:
    tiny_vision.hugging_face(kind).save_pretrained(place)
    return convnet_sources.from_pretrained(place, side=16)


@torch.inference_mode()
@pytest.mark.parametrize("kind", tiny_vision.KINDS)
def test_a_nets_batch_norms_become_part_of_its_convolutions_and_it_says_the_same(tmp_path: Path, kind: str) -> None:
    net = hugging_face(tmp_path, kind)
    before, inputs = {name: each.clone() for name, each in net.state_dict().items()}, convnet.example_inputs(net, 3)
    ready = convnet.folded(net)
    assert not any(isinstance(module, nn.BatchNorm2d) for module in ready.modules())
    assert torch.allclose(ready(*inputs), net(*inputs), rtol=1e-3, atol=1e-4)
    assert all(torch.equal(each, before[name]) for name, each in net.state_dict().items())


class ReadTwice(nn.Module):
    """What the norm makes of the convolution is added to what the convolution says by itself."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.norm = nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4)
        self.norm.running_mean, self.norm.running_var = torch.randn(4), 0.5 + torch.rand(4)

    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        hidden = self.first(pixels)
        return (hidden + self.norm(hidden)).mean(dim=(2, 3))


def read_twice() -> tuple[nn.Module, int]:
    torch.manual_seed(0)
    return ReadTwice(), 8


@torch.inference_mode()
def test_a_net_whose_convolution_is_also_read_by_itself_is_left_as_it_is() -> None:
    net = convnet_sources.from_factory(f"{__name__}:read_twice")
    inputs = convnet.example_inputs(net, 2)
    assert torch.equal(convnet.folded(net)(*inputs), net(*inputs))


@torch.inference_mode()
@pytest.mark.parametrize("factory", NETS)
def test_the_bytes_of_an_image_say_what_the_scaled_image_says(factory: str) -> None:
    net = convnet_sources.from_factory(factory)
    pixels = noise(4, 8, 8, 1)
    scaling = Scaling(height=8, width=8, mean=(0.4,), deviation=(0.3,))
    module = ImageModule(net, scaling)
    expected = outputs(net, ImageInputs(pixels, mean=scaling.mean, std=scaling.deviation))
    found = torch.cat([module(torch.from_numpy(each)[None]) for each in pixels])
    assert torch.allclose(found, expected, rtol=1e-3, atol=1e-4)


@torch.inference_mode()
@pytest.mark.parametrize("family", ["vit", "deit"])
def test_so_they_do_where_a_transformer_reads_its_first_tokens_alone(tmp_path: Path, family: str) -> None:
    folder, _ = tiny.family_folder(tmp_path, family, "ForImageClassification", num_labels=3)
    teacher = load_images(ModelSource(folder=folder), labels=["0", "1", "2"])
    pixels = noise(4, teacher.scaling.height, teacher.scaling.width, 3)
    module = ImageModule(teacher.model, teacher.scaling)
    inputs = ImageInputs(pixels, mean=teacher.scaling.mean, std=teacher.scaling.deviation)
    found = torch.cat([module(torch.from_numpy(each)[None]) for each in pixels])
    assert torch.allclose(found, outputs(teacher.model, inputs), atol=1e-4)


@torch.inference_mode()
def test_models_of_both_kinds_are_written_and_read_back(tmp_path: Path) -> None:
    net = convnet_sources.from_factory(NETS[1])
    folder, _ = tiny.family_folder(tmp_path / "hub", "vit", "ForImageClassification", num_labels=3)
    transformer = load_images(ModelSource(folder=folder), labels=["0", "1", "2"]).model
    for name, model, factory in (("net", net, NETS[1]), ("transformer", transformer, "")):
        (tmp_path / name).mkdir()
        families.save(model, tmp_path / name)
        loaded = families.load(tmp_path / name, factory=factory)
        assert type(loaded) is type(model)
        assert all(torch.equal(each, model.state_dict()[place]) for place, each in loaded.state_dict().items())


NAMES = {0: "cat", 1: "ant", 2: "bee"}


def net_folder(place: Path, **changes: Any) -> Path:
    import transformers

    config = transformers.ResNetConfig(
        num_channels=1, embedding_size=8, hidden_sizes=[8, 16], depths=[1, 1], layer_type="basic", **changes
    )
    torch.manual_seed(0)
    transformers.ResNetForImageClassification(config).eval().save_pretrained(place)
    return place


@torch.inference_mode()
def test_a_fitted_net_scores_the_datas_labels_in_their_order(tmp_path: Path) -> None:
    folder = net_folder(tmp_path, id2label=NAMES)
    teacher = load_images(ModelSource(folder=folder), labels=["ant", "bee", "cat"], image_size=(12, 8))
    assert teacher.fitted
    assert (teacher.scaling.height, teacher.scaling.width, teacher.scaling.channels) == (12, 8, 1)
    inputs = convnet.example_inputs(teacher.model)  # type: ignore[arg-type]
    assert inputs[0].shape == (1, 1, 12, 8)
    own = convnet_sources.from_pretrained(folder)
    assert torch.allclose(teacher.model(*inputs), own(*inputs)[:, [1, 2, 0]])


def test_a_net_of_other_classes_gets_a_new_head_and_a_factorys_must_have_as_many(tmp_path: Path) -> None:
    folder = net_folder(tmp_path, id2label=NAMES)
    for labels in (["ant", "bee", "dog"], ["ant", "bee"]):
        teacher = load_images(ModelSource(folder=folder), labels=labels)
        assert not teacher.fitted
        assert teacher.model(*convnet.example_inputs(teacher.model)).shape == (1, len(labels))  # type: ignore[arg-type]
    with pytest.raises(Exception, match="has 10 classes, but the data has 2 labels"):
        load_images(ModelSource(factory=NETS[1]), labels=["ant", "bee"])
