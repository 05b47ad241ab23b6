"""Nets of convolutions are read, described, written and rebuilt, and give what the original gives."""

from pathlib import Path

import pytest
import torch

from edgewright.models import convnet, convnet_files, convnet_sources
from tests import tiny_vision

FACTORIES = ("mixed", "digits_net", "last_is_convolution")


@pytest.fixture(params=tiny_vision.KINDS)
def folder(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    tiny_vision.hugging_face(request.param).save_pretrained(tmp_path / "model")
    return tmp_path / "model"


def factory(name: str) -> str:
    return f"{tiny_vision.MODULE}:{name}"


def outputs(net: convnet.ConvNet) -> torch.Tensor:
    with torch.no_grad():
        return net(*convnet.example_inputs(net, 3))


def test_a_family_gives_the_logits_that_transformers_gives(folder: Path) -> None:
    import transformers

    net = convnet_sources.from_pretrained(folder, side=32)
    pixels = convnet.example_inputs(net, 3)[0]
    assert pixels.shape == (3, 1, 32, 32)
    original = transformers.AutoModelForImageClassification.from_pretrained(folder).eval()
    with torch.no_grad():
        assert torch.allclose(net(pixels), original(pixels).logits, rtol=1e-4, atol=1e-5)
        assert net(pixels).std(dim=0).mean() > 1e-3
    assert not net.training


def test_a_family_goes_through_export(folder: Path) -> None:
    net = convnet_sources.from_pretrained(folder, side=32)
    inputs = convnet.example_inputs(net)
    exported = torch.export.export(net, inputs, strict=False).module()
    with torch.no_grad():
        assert torch.allclose(exported(*inputs), net(*inputs), atol=1e-5)


def test_a_description_tells_family_image_classes_and_sizes(tmp_path: Path) -> None:
    tiny_vision.hugging_face("resnet-basic").save_pretrained(tmp_path)
    net = convnet_sources.from_pretrained(tmp_path, side=32).train()
    described = convnet.describe(net)
    assert (described.family, described.classes, described.image.height) == ("resnet", 10, 32)
    assert described.sizes.parameters == sum(each.numel() for each in net.parameters())
    assert described.sizes.layers[0].macs == 16 * 16 * 8 * 49
    assert all(module.training for module in net.modules())


@pytest.mark.parametrize("name", FACTORIES)
def test_a_factorys_net_is_described_exported_saved_and_loaded(name: str, tmp_path: Path) -> None:
    net = convnet_sources.from_factory(factory(name))
    assert convnet.describe(net).image == convnet.Image(channels=1, height=8, width=8)
    inputs = convnet.example_inputs(net)
    exported = torch.export.export(net, inputs, strict=False).module()
    with torch.no_grad():
        assert torch.allclose(exported(*inputs), net(*inputs), atol=1e-5)
    convnet_files.save(net, tmp_path)
    assert torch.allclose(
        outputs(convnet_files.load(tmp_path, factory=factory(name))), outputs(net), rtol=1e-4, atol=1e-5
    )
