"""Every kind of importance finds what is useless and what is loud, whatever the family, and leaves no trace."""

import copy
from dataclasses import replace
from pathlib import Path
from typing import Any, get_args

import pytest
import torch
from torch import Tensor

from edgewright.compress.importance import importance
from edgewright.compress.importance_scores import Importance, UnitKind
from edgewright.errors import BadDataError, ModelError, UnknownNameError
from edgewright.models.inputs import ImageInputs, TextInputs
from edgewright.models.linear_maps import LowRankLinear, matrix
from edgewright.models.model import Head, HeadShape, TransformerModel
from edgewright.models.transformer_layer import TransformerLayer
from edgewright.models.transformer_shape import LayerShape
from edgewright.models.vision import VisionEncoder, VisionShape
from tests import tiny

KINDS = get_args(UnitKind)


def texts(count: int = 24) -> TextInputs:
    return TextInputs(tiny.rows(count))


def images(count: int = 24) -> ImageInputs:
    return ImageInputs(torch.randn(count, 16, 16, 3, generator=torch.Generator().manual_seed(0)))


def text_model(**head: Any) -> TransformerModel:
    encoder = copy.deepcopy(tiny.encoder())
    torch.manual_seed(2)
    return TransformerModel(encoder, Head(HeadShape(**{"pooling": "mean", **head}), encoder.shape.width)).eval()


def vision_model() -> TransformerModel:
    torch.manual_seed(1)
    layer = LayerShape(heads=4, head_width=8, neurons=48)
    encoder = VisionEncoder(VisionShape(width=32, layers=(layer,) * 3, image_height=16, image_width=16, patch=4))
    with torch.no_grad():
        for parameter in encoder.parameters():
            parameter += 0.1 * torch.randn_like(parameter)
    return TransformerModel(encoder, Head(HeadShape(pooling="first", classes=5), 32)).eval()


FAMILIES = {"text": (text_model, texts), "vision": (vision_model, images)}


def layer_of(model: TransformerModel, index: int) -> TransformerLayer:
    return model.encoder.layer(index)


def scores_of(model: TransformerModel, inputs: Any, kind: UnitKind, **settings: Any) -> Importance:
    return importance(model, inputs, kind=kind, **settings)


def assert_same(one: Importance, other: Importance, **tolerance: float) -> None:
    assert one.kind == other.kind
    for ours, theirs in zip(tensors(one), tensors(other), strict=True):
        torch.testing.assert_close(ours, theirs, **({"rtol": 0, "atol": 0} | tolerance))


def tensors(scores: Importance) -> list[Tensor]:
    return [scores.width, *(each for layer in scores.layers for each in vars(layer).values())]


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("kind", KINDS)
def test_scores_have_the_shapes_of_what_they_are_of_and_are_not_negative(kind: UnitKind, family: str) -> None:
    make, inputs = FAMILIES[family]
    model = make()
    scores = scores_of(model, inputs(), kind)
    assert scores.width.shape == (32,)
    for layer, shape in zip(scores.layers, model.encoder.shape.layers, strict=True):
        assert layer.heads.shape == (4,)
        assert layer.neurons.shape == (shape.neurons,)
        assert layer.query_key.shape == layer.value.shape == (4, 8)
        assert layer.layer.shape == ()
    assert all(bool((each > 0).all()) for each in tensors(scores))
    assert not any(each.requires_grad for each in tensors(scores))


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("kind", KINDS)
def test_a_part_whose_output_weights_are_nothing_is_last_and_a_louder_one_first(kind: UnitKind, family: str) -> None:
    make, inputs = FAMILIES[family]
    model = make()
    with torch.no_grad():
        layer = layer_of(model, 1)
        layer.attention_output.weight[:, 2 * 8 : 3 * 8] = 0
        layer.attention_output.weight[:, 3 * 8 + 5] = 0
        layer.attention_output.weight[:, :8] *= 20
        layer.down.weight[:, 17] = 0
        layer.down.weight[:, 9] *= 50
    found = scores_of(model, inputs(), kind).layers[1]
    assert (int(found.heads.argmin()), int(found.heads.argmax())) == (2, 0)
    assert (int(found.neurons.argmin()), int(found.neurons.argmax())) == (17, 9)
    assert int(found.value[3].argmin()) == 5
    if kind != "magnitude":  # whose norm also counts the weights that come before
        assert found.heads[2] == found.neurons[17] == found.value[3, 5] == 0


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("kind", KINDS)
def test_a_channel_that_adds_nothing_to_attention_scores_is_last(kind: UnitKind, family: str) -> None:
    make, inputs = FAMILIES[family]
    model = make()
    with torch.no_grad():
        layer = layer_of(model, 0)
        for start in (0, 32):  # queries, keys
            layer.query_key_value.weight[start + 8 + 3] = 0
            layer.query_key_value.weight[start + 8 + 6] *= 4
        layer.query_key_value.bias[8 + 3] = 0
    found = scores_of(model, inputs(), kind).layers[0].query_key
    assert (int(found[1].argmin()), int(found[1].argmax())) == (3, 6)


@pytest.mark.parametrize("kind", ["activation", "taylor", "fisher"])
def test_a_key_that_is_the_same_for_every_token_adds_nothing_however_large(kind: UnitKind) -> None:
    model = text_model()
    with torch.no_grad():
        layer = layer_of(model, 0)
        layer.query_key_value.weight[32 + 8 + 3] = 0
        layer.query_key_value.bias[32 + 8 + 3] = 30
    found = scores_of(model, texts(), kind).layers[0].query_key
    assert int(found[1].argmin()) == 3
    assert found[1, 3] < 1e-3 * found[1].median()


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("kind", KINDS)
def test_a_dimension_that_nothing_reads_is_last_and_one_read_loudly_first(kind: UnitKind, family: str) -> None:
    make, inputs = FAMILIES[family]
    model = make()
    with torch.no_grad():
        for layer in (layer_of(model, index) for index in range(3)):
            for norm in (layer.attention_norm, layer.feed_forward_norm):
                norm.weight[7] = norm.bias[7] = 0
            for reader in (layer.query_key_value, layer.up):
                reader.weight[:, 7] = 0
                reader.weight[:, 3] *= 5
            for writer in (layer.attention_output, layer.down):
                writer.weight[7] = 0
                writer.bias[7] = 0
        if family == "vision":
            model.head.classifier.weight[:, 7] = 0
            model.head.classifier.weight[:, 3] *= 5
        else:
            model.encoder.embedding_norm.weight[7] = model.encoder.embedding_norm.bias[7] = 0
    found = scores_of(model, inputs(), kind).width
    assert int(found.argmin()) == 7
    assert found[3] > 1.5 * found.median()


@pytest.mark.parametrize("kind", KINDS)
def test_a_layer_that_does_nothing_is_last(kind: UnitKind) -> None:
    model = vision_model()
    with torch.no_grad():
        for part in (layer_of(model, 1).attention_output, layer_of(model, 1).down):
            part.weight.zero_()
            part.bias.zero_()
    found = torch.stack([layer.layer for layer in scores_of(model, images(), kind).layers])
    assert int(found.argmin()) == 1
    assert kind == "magnitude" or found[1] == 0


@pytest.mark.parametrize("kind", ["activation", "taylor", "fisher"])
def test_batching_and_padding_change_nothing(kind: UnitKind, monkeypatch: pytest.MonkeyPatch) -> None:
    model = text_model(pooling="each", classes=3)
    examples = texts(12)
    assert len(set(examples.sizes)) > 2
    together = scores_of(model, examples, kind)
    for name in ("BATCH_TOKENS", "GRADIENT_BATCH_TOKENS"):
        monkeypatch.setattr(f"edgewright.compress.importance.{name}", 1)
    assert_same(together, scores_of(model, examples, kind), rtol=2e-3, atol=1e-3 * float(together.width.mean()))


@pytest.mark.parametrize("kind", KINDS)
def test_model_gradients_modes_and_random_state_stay_as_they_were(kind: UnitKind) -> None:
    model = text_model().train()
    model.head.eval()
    state, before = {name: each.clone() for name, each in model.state_dict().items()}, torch.get_rng_state()
    first = scores_of(model, texts(), kind)
    assert torch.equal(before, torch.get_rng_state())
    assert (model.training, model.encoder.training, model.head.training) == (True, True, False)
    assert all(parameter.grad is None and parameter.requires_grad for parameter in model.parameters())
    assert all(torch.equal(state[name], each) for name, each in model.state_dict().items())
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in model.modules())
    with torch.no_grad():
        assert_same(first, scores_of(model, texts(), kind))


@pytest.mark.parametrize("kind", ["taylor", "fisher"])
def test_another_seed_asks_in_other_directions_and_agrees_on_what_matters(kind: UnitKind) -> None:
    model = text_model()
    one, other = (scores_of(model, texts(40), kind, seed=seed, probes=2).layers[0].neurons for seed in (0, 1))
    assert not torch.equal(one, other)
    assert len(set(one.topk(16).indices.tolist()) & set(other.topk(16).indices.tolist())) >= 10


@pytest.mark.parametrize("kind", KINDS)
def test_a_layer_without_heads_or_neurons_and_matrices_of_low_rank_are_scored(kind: UnitKind) -> None:
    shape = tiny.encoder().shape
    bare = LayerShape(heads=0, head_width=8, neurons=0)
    low = LayerShape(heads=2, head_width=8, neurons=24, ranks={"query_key_value": 6, "up": 6, "down": 6})
    torch.manual_seed(0)
    encoder = type(tiny.encoder())(replace(shape, layers=(bare, low)))
    model = TransformerModel(encoder, Head(HeadShape(pooling="mean"), 32)).eval()
    scores = scores_of(model, texts(), kind)
    assert scores.layers[0].heads.shape == scores.layers[0].neurons.shape == (0,)
    assert [len(each) for each in (scores.layers[1].heads, scores.layers[1].neurons)] == [2, 24]
    assert bool((scores.layers[1].neurons > 0).all())


def test_a_product_of_two_has_the_matrix_that_it_computes() -> None:
    module = LowRankLinear(5, 7, 3)
    inputs = torch.randn(4, 5)
    torch.testing.assert_close(inputs @ matrix(module).T + module.second.bias, module(inputs))


@pytest.mark.parametrize("kind", KINDS)
def test_saved_importance_comes_back_as_it_was(kind: UnitKind, tmp_path: Path) -> None:
    shape = tiny.encoder().shape
    bare = LayerShape(heads=0, head_width=8, neurons=0)
    model = TransformerModel(
        type(tiny.encoder())(replace(shape, layers=(*shape.layers, *([bare] * 9)))), Head(HeadShape(pooling="mean"), 32)
    )
    scores = scores_of(model, texts(4), kind)
    scores.save(tmp_path / "importance.safetensors")
    assert_same(scores, Importance.load(tmp_path / "importance.safetensors"))


def test_on_progress_hears_how_many_examples_are_done() -> None:
    heard: list[tuple[int, int]] = []
    scores_of(text_model(), texts(5), "fisher", on_progress=lambda done, count: heard.append((done, count)))
    assert heard[-1] == (5, 5)


def test_another_kind_is_refused_with_the_known_ones() -> None:
    with pytest.raises(UnknownNameError, match="no kind of importance 'hessian'"):
        scores_of(text_model(), texts(), "hessian")  # type: ignore[arg-type]


def test_no_examples_are_refused_where_they_are_needed() -> None:
    with pytest.raises(BadDataError, match="no example to measure fisher importance on"):
        scores_of(text_model(), TextInputs([]), "fisher")
    assert scores_of(text_model(), TextInputs([]), "magnitude").kind == "magnitude"


def test_a_weight_that_is_no_number_is_named() -> None:
    model = text_model()
    model.encoder.layers[2].down.weight.data[0, 0] = torch.nan
    with pytest.raises(ModelError, match="activation importance of layer 2's neurons is not finite"):
        scores_of(model, texts(), "activation")
