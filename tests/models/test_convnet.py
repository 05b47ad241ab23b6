"""Nets of convolutions are read, described, written and rebuilt, and give what the original gives."""

import json
import shutil
from pathlib import Path

import pytest
import torch
from torch import nn

from edgewright.errors import BadModelError, InputError, ModelError, UnsupportedModelError
from edgewright.models import convnet, convnet_files, convnet_sources
from tests import tiny, tiny_vision

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


def test_a_family_is_saved_and_loaded_whole(folder: Path, tmp_path: Path) -> None:
    net = convnet_sources.from_pretrained(folder, side=32)
    convnet_files.save(net, tmp_path)
    assert json.loads((tmp_path / "convnet.json").read_text())["sizes"] == {}
    again = convnet_files.load(tmp_path)
    assert again.origin == net.origin
    assert all(torch.equal(again.state_dict()[name], value) for name, value in net.state_dict().items())
    assert torch.allclose(outputs(again), outputs(net), rtol=1e-4, atol=1e-5)


def test_a_description_tells_family_image_classes_and_sizes(tmp_path: Path) -> None:
    tiny_vision.hugging_face("resnet-basic").save_pretrained(tmp_path)
    net = convnet_sources.from_pretrained(tmp_path, side=32).train()
    described = convnet.describe(net)
    assert (described.family, described.classes, described.image.height) == ("resnet", 10, 32)
    assert described.sizes.parameters == sum(each.numel() for each in net.parameters())
    assert described.sizes.layers[0].macs == 16 * 16 * 8 * 49
    assert all(module.training for module in net.modules())


def test_the_size_of_images_is_the_preprocessors_then_the_configs_then_the_usual(tmp_path: Path) -> None:
    def side(kind: str, preprocessor: dict[str, object] | None = None) -> tuple[int, int]:
        place = tmp_path / f"{kind}{bool(preprocessor)}"
        tiny_vision.hugging_face(kind).save_pretrained(place)
        if preprocessor:
            (place / "preprocessor_config.json").write_text(json.dumps(preprocessor))
        image = convnet_sources.from_pretrained(place).origin.image
        return image.height, image.width

    assert side("mobilenet_v2") == (32, 32)
    assert side("resnet-basic") == (224, 224)
    assert side("mobilenet_v1", {"size": {"shortest_edge": 40}, "crop_size": {"height": 28, "width": 36}}) == (28, 36)
    assert side("resnet-basic", {"size": {"shortest_edge": 96}}) == (96, 96)


def test_other_classes_give_a_new_classifier_and_keep_the_rest(tmp_path: Path) -> None:
    tiny_vision.hugging_face("mobilenet_v2").save_pretrained(tmp_path)
    whole, other = convnet_sources.from_pretrained(tmp_path), convnet_sources.from_pretrained(tmp_path, classes=3)
    assert outputs(other).shape == (3, 3)
    state = other.state_dict()
    assert all(torch.equal(state[name], value) for name, value in whole.state_dict().items() if "classif" not in name)
    again = convnet_sources.from_pretrained(tmp_path, classes=3).state_dict()
    assert all(torch.equal(again[name], value) for name, value in state.items())


def test_another_family_is_refused_and_told_how_to_pass_a_factory() -> None:
    with pytest.raises(
        UnsupportedModelError,
        match=r"type bert \(it reads texts\) is not supported; .*resnet, mobilenet_v1.*model\.factory",
    ):
        convnet_sources.from_pretrained(tiny.bert_folder())


def test_a_folder_without_a_config_or_with_damaged_weights_is_told(tmp_path: Path) -> None:
    with pytest.raises(BadModelError, match="there is no such folder"):
        convnet_sources.from_pretrained(tmp_path / "none")
    with pytest.raises(BadModelError, match=r"no config\.json"):
        convnet_sources.from_pretrained(tmp_path)
    tiny_vision.hugging_face("resnet-basic").save_pretrained(tmp_path)
    weights = tmp_path / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:2000])
    with pytest.raises(BadModelError, match="check the path or download it again"):
        convnet_sources.from_pretrained(tmp_path)


def test_weights_that_lack_a_layer_are_refused_even_where_the_classifier_is_new(tmp_path: Path) -> None:
    from safetensors.torch import load_file, save_file

    tiny_vision.hugging_face("resnet-basic").save_pretrained(tmp_path)
    state = load_file(tmp_path / "model.safetensors")
    for name in ("classifier.1.weight", "resnet.embedder.embedder.convolution.weight"):
        kept = {key: value for key, value in state.items() if key != name}
        save_file(kept, tmp_path / "model.safetensors", metadata={"format": "pt"})
        with pytest.raises(BadModelError, match=f"lack {name}"):
            convnet_sources.from_pretrained(tmp_path, classes=10 if "classifier" in name else 3)


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


def test_a_factorys_net_is_loaded_only_by_who_names_the_factory(tmp_path: Path) -> None:
    convnet_files.save(convnet_sources.from_factory(factory("mixed")), tmp_path)
    with pytest.raises(BadModelError, match=r"made by the factory 'tests\.tiny_vision:mixed' and not by ''"):
        convnet_files.load(tmp_path)


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("tests.nothing:here", "cannot be called: .*give an importable"),
        ("tests.tiny_vision:nothing", "cannot be called"),
        ("tests.tiny_vision:no_pair", r"returned LastIsConvolution; it must return \(model, example"),
        ("tests.tiny_vision:no_size", "returned 'large' beside the model"),
        ("tests.tiny_vision:wrong_size", r"does not take pixels \(1, 3, 8, 8\): .*return an example"),
        ("tests.tiny_vision:no_scores", r"returns \(1, 4, 6, 6\) for one image; it must return \(1, classes\)"),
    ],
)
def test_a_factory_that_cannot_be_used_says_why(name: str, said: str) -> None:
    with pytest.raises(InputError, match=said):
        convnet_sources.from_factory(name)


def test_a_saved_folder_that_is_damaged_is_told(tmp_path: Path) -> None:
    whole, place = tmp_path / "whole", tmp_path / "damaged"
    whole.mkdir()
    convnet_files.save(convnet_sources.from_factory(factory("mixed")), whole)

    def refused(said: str) -> None:
        with pytest.raises(BadModelError, match=said):
            convnet_files.load(place, factory=factory("mixed"))
        shutil.rmtree(place)

    refuse_after = (
        (lambda: (place / "convnet.json").unlink(), r"convnet\.json"),
        (lambda: (place / "convnet.safetensors").unlink(), "No such file"),
        (lambda: (place / "convnet.json").write_text("{"), "cannot be read"),
        (lambda: (place / "convnet.safetensors").write_bytes(b"short"), "cannot be read"),
        (lambda: _changed(place, {"nowhere": {"in_features": 3}}), "nowhere"),
        (lambda: _changed(place, {"stem": {"in_channels": 1, "out_channels": 9, "groups": 1}}), r"stem\.weight is"),
        (lambda: _changed(place, {"stem": {"in_features": 1}}), "has no sizes in_features"),
    )
    for damage, said in refuse_after:
        shutil.copytree(whole, place)
        damage()
        refused(said)


def _changed(place: Path, sizes: dict[str, object]) -> None:
    described = json.loads((place / "convnet.json").read_text())
    (place / "convnet.json").write_text(json.dumps({**described, "sizes": sizes}))


def test_a_net_with_other_modules_than_its_architecture_is_not_written(tmp_path: Path) -> None:
    net = convnet_sources.from_factory(factory("mixed"))
    net.network.hidden = nn.Sequential(nn.Linear(512, 4), nn.Linear(4, 24))
    with pytest.raises(ModelError, match=r"hidden\.0"):
        convnet_files.save(net, tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_reading_and_rebuilding_draw_no_random_numbers(tmp_path: Path) -> None:
    before = torch.random.get_rng_state()
    net = convnet_sources.from_factory(factory("mixed"))
    convnet_files.save(net, tmp_path)
    convnet_files.load(tmp_path, factory=factory("mixed"))
    convnet.example_inputs(net)
    assert torch.equal(before, torch.random.get_rng_state())
    assert isinstance(net, nn.Module)
