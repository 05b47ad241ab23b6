"""Spread that moves from activations into weights: the same outputs, and less lost to int8."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import Tensor

from edgewright.compress import low_rank
from edgewright.models.encoder import Encoder
from edgewright.models.image_teacher import load_images
from edgewright.models.inputs import TextInputs
from edgewright.models.model import TransformerModel
from edgewright.models.smoothing import pairs_of
from edgewright.models.text import outputs
from edgewright.quantize.simulated import as_int8, parts_of, ranges_of
from edgewright.quantize.smooth import smoothed
from edgewright.specs.recipe import ModelSource
from tests import tiny

ROWS = tiny.tokenizer().encode(tiny.sentences(24, seed=3))
Run = Callable[[TransformerModel], Tensor]


def texts(model: TransformerModel) -> Tensor:
    return outputs(model, ROWS)


def of_texts() -> TransformerModel:
    return tiny.model_copy()


def of_low_rank() -> TransformerModel:
    parts = ("tokens", "up", "down", "attention_output", "query_key_value")
    made = low_rank.factorise(tiny.model_copy(), TextInputs(ROWS), parts=parts, ranks=dict.fromkeys(parts, 8))
    return made.model


def of_images(place: Path) -> tuple[TransformerModel, Run]:
    folder, _ = tiny.family_folder(place, "vit", "ForImageClassification", num_labels=3)
    teacher = load_images(ModelSource(folder=folder), labels=["0", "1", "2"])
    size = teacher.scaling
    chance = torch.Generator().manual_seed(0)
    pixels = torch.randn(24, size.channels, size.height, size.width, generator=chance)
    assert isinstance(teacher.model, TransformerModel)

    def run(model: TransformerModel) -> Tensor:
        with torch.inference_mode():
            return model(pixels)

    return teacher.model, run


def error(model: TransformerModel, run: Run, wanted: Tensor, *, static: bool) -> float:
    """How far int8 puts the outputs off, as a share of them."""
    ranges = ranges_of(model, run) if static else None
    with as_int8(model, list(parts_of(model)), ranges=ranges):
        found = run(model)
    return float((found - wanted).square().mean().sqrt() / wanted.square().mean().sqrt())


@torch.no_grad()
def with_a_large_channel(model: TransformerModel, times: float = 60.0) -> TransformerModel:
    """Says the same, with one channel far larger than all others before each part that reads it alone."""
    encoder = model.encoder
    if isinstance(encoder, Encoder) and encoder.shape.token_rank:
        encoder.tokens.weight[:, 0] *= times
        encoder.token_projection.weight[:, 0] /= times
        return model
    for index in range(len(encoder.layers)):
        layer = encoder.layer(index)
        place = 2 * layer.shape.heads * layer.shape.head_width
        layer.query_key_value.weight[place] *= times
        layer.query_key_value.bias[place] *= times
        layer.attention_output.weight[:, 0] /= times
        if layer.norm_first:
            for norm, reader in ((layer.attention_norm, layer.query_key_value), (layer.feed_forward_norm, layer.up)):
                norm.weight[0] *= times
                norm.bias[0] *= times
                reader.weight[:, 0] /= times
    return model


@pytest.mark.parametrize("made", [of_texts, of_low_rank])
def test_a_smoothed_model_says_what_it_said_and_the_given_one_stays(made: Callable[[], TransformerModel]) -> None:
    model = made()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    found = smoothed(model, pairs_of, texts)
    assert torch.allclose(texts(found), texts(model), atol=1e-5)
    assert not all(torch.equal(value, before[name]) for name, value in found.state_dict().items())
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    assert not any(module._forward_pre_hooks for module in found.modules())


@pytest.mark.parametrize("static", [False, True])
@pytest.mark.parametrize("made", [of_texts, of_low_rank])
def test_a_channel_that_is_larger_than_all_others_costs_a_model_of_texts_less(
    made: Callable[[], TransformerModel], static: bool
) -> None:
    model = with_a_large_channel(made())
    wanted = texts(model)
    plain, smooth = (error(each, texts, wanted, static=static) for each in (model, smoothed(model, pairs_of, texts)))
    assert smooth < plain / 2


@pytest.mark.parametrize("static", [False, True])
def test_and_a_model_of_images_whose_norms_come_first(tmp_path: Path, static: bool) -> None:
    model, run = of_images(tmp_path)
    model = with_a_large_channel(model)
    wanted, smoother = run(model), smoothed(model, pairs_of, run)
    assert torch.allclose(run(smoother), wanted, rtol=1e-3, atol=1e-4)
    assert error(smoother, run, wanted, static=static) < error(model, run, wanted, static=static) / 2


def test_a_channel_that_nothing_comes_through_stays_as_it_is() -> None:
    model = tiny.model_copy()
    layer = model.encoder.layer(0)
    with torch.no_grad():
        layer.attention_output.weight[:, 0] = 0.0
    assert torch.allclose(texts(smoothed(model, pairs_of, texts)), texts(model), atol=1e-5)
