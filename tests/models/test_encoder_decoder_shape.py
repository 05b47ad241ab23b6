"""Sizes of encoder-decoders: what a cut leaves of them, and what they are in a file."""

import json
from dataclasses import asdict

import pytest

from edgewright.models.encoder_decoder_shape import EncoderDecoderShape, StackCut, StackLayerShape, everything
from tests import tiny_t5


def test_a_shape_is_read_back_from_what_json_holds() -> None:
    for variant in tiny_t5.VARIANTS:
        shape = tiny_t5.model_of(variant).shape
        assert EncoderDecoderShape.from_mapping(json.loads(json.dumps(asdict(shape)))) == shape


def test_a_cut_keeps_each_heads_own_bias_also_when_it_is_cut_again() -> None:
    layer = StackLayerShape(heads=4, neurons=9, relative=(0, 1, 2, 3), cross_heads=4)
    once = layer.kept(StackCut(layer=0, heads=(1, 3), neurons=(0, 8), cross_heads=(2,)))
    assert once == StackLayerShape(heads=2, neurons=2, relative=(1, 3), cross_heads=1)
    assert once.kept(StackCut(layer=0, heads=(1,), neurons=())) == StackLayerShape(heads=1, neurons=0, relative=(3,))
    assert everything((layer, once))[1] == StackCut(layer=1, heads=(0, 1), neurons=(0, 1), cross_heads=(0,))


def test_a_narrower_norm_adds_as_much_more_as_its_mean_has_grown() -> None:
    shape = tiny_t5.model_of("t5").shape
    assert shape.narrowed(8).norm_epsilon == pytest.approx(4 * shape.norm_epsilon)
    assert shape.narrowed(8).output_scale == shape.output_scale


def test_a_cache_has_the_layers_with_attention_and_the_most_heads() -> None:
    model = tiny_t5.model_of("t5")
    cut = model.sliced(everything(model.shape.encoder), [
        StackCut(layer=0, heads=(), neurons=(1,), cross_heads=(0,)), StackCut(layer=1, heads=(0, 2), neurons=())
    ])  # fmt: skip
    assert cut.shape.state(7) == (("cache_k", (1, 2, 7, 8)), ("cache_v", (1, 2, 7, 8)))
