"""Nets come from transformers' folders and from factories; what is neither is refused with what to do."""

import json
from pathlib import Path

import pytest
import torch
from torch import nn

from edgewright.errors import BadModelError, InputError, UnsupportedModelError
from edgewright.models import convnet, convnet_files, convnet_sources
from tests import tiny, tiny_vision

FACTORIES = ("mixed", "digits_net", "last_is_convolution")


def factory(name: str) -> str:
    return f"{tiny_vision.MODULE}:{name}"


def outputs(net: convnet.ConvNet) -> torch.Tensor:
    with torch.no_grad():
        return net(*convnet.example_inputs(net, 3))


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


def test_reading_and_rebuilding_draw_no_random_numbers(tmp_path: Path) -> None:
    before = torch.random.get_rng_state()
    net = convnet_sources.from_factory(factory("mixed"))
    convnet_files.save(net, tmp_path)
    convnet_files.load(tmp_path, factory=factory("mixed"))
    convnet.example_inputs(net)
    assert torch.equal(before, torch.random.get_rng_state())
    assert isinstance(net, nn.Module)
