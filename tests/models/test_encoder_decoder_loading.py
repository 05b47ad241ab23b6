"""What differs among T5s is read from their configurations and weights, and what is not understood is refused."""

from dataclasses import replace
from types import SimpleNamespace

import pytest
import torch

from edgewright.errors import UnsupportedModelError
from edgewright.models.encoder_decoder_loading import USUAL_POSITIONS, from_transformers, shape_of
from edgewright.models.transformers_types import TransformersConfig, config_of
from tests import tiny_t5


def test_sizes_are_those_of_the_configuration() -> None:
    shape = shape_of(config_of(tiny_t5.original("flan-t5")))
    assert (len(shape.encoder), len(shape.decoder)) == (3, 2)
    assert (shape.gated, shape.activation, shape.tied, shape.output_scale) == (True, "gelu_new", False, 1.0)
    assert all(layer.cross_heads == 0 for layer in shape.encoder)
    assert all(layer.cross_heads == layer.heads == 4 for layer in shape.decoder)
    assert shape == tiny_t5.model_of("flan-t5").shape
    plain = shape_of(config_of(tiny_t5.original("t5")))
    assert (plain.gated, plain.activation, plain.tied) == (False, "relu", True)
    assert plain.output_scale == pytest.approx(32**-0.5)
    assert shape_of(config_of(tiny_t5.original("t5 as deep on both sides"))).decoder == shape.decoder


def test_a_model_without_stated_positions_has_those_it_was_trained_on() -> None:
    import transformers

    assert shape_of(TransformersConfig(transformers.T5Config())).positions == USUAL_POSITIONS


def test_whether_tables_are_one_is_told_by_the_weights() -> None:
    model = tiny_t5.made(tie_word_embeddings=False)
    model.lm_head.weight = torch.nn.Parameter(model.shared.weight.detach().clone())
    read = from_transformers(model)
    assert (read.shape.tied, read.shape.output_scale) == (True, 1.0)
    assert replace(read.shape, tied=False) == shape_of(config_of(model))


@pytest.mark.parametrize("kind", ["mt5", "bart", "longt5", "encodec"])
def test_another_type_is_refused_by_its_name(kind: str) -> None:
    with pytest.raises(UnsupportedModelError, match=f"an encoder-decoder of type {kind}"):
        shape_of(TransformersConfig(SimpleNamespace(model_type=kind)))  # type: ignore[arg-type]


def test_an_unknown_activation_is_refused() -> None:
    with pytest.raises(UnsupportedModelError, match="a T5 with activation 'tanh'"):
        shape_of(config_of(tiny_t5.made(feed_forward_proj="gated-tanh")))


def test_a_model_without_an_output_table_is_refused() -> None:
    import transformers

    with pytest.raises(UnsupportedModelError, match="a T5Model, which has no output table"):
        from_transformers(transformers.T5Model(tiny_t5.original("t5").config))
