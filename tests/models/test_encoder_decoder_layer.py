"""A layer is its library's, alone and with a cache, and a part that is gone adds nothing."""

import torch

from edgewright.models.encoder_decoder_shape import StackCut, everything
from tests import tiny_t5

EXACT = 1e-5


@torch.inference_mode()
def test_a_layer_of_the_decoder_is_its_librarys() -> None:
    model, theirs = tiny_t5.model_of("flan-t5"), tiny_t5.original("flan-t5").decoder
    layer, block = model.decoder.layer(0), theirs.block[0]
    hidden, encoded = torch.randn(2, 5, 32), torch.randn(2, 9, 32)
    bias = model.written_distances(5)
    wanted, *_ = block(hidden, position_bias=bias[None], encoder_hidden_states=encoded)
    assert (layer(hidden, bias, layer.keys_values(encoded)) - wanted).abs().max() < EXACT


@torch.inference_mode()
def test_keys_lie_as_scores_are_made_of_them() -> None:
    layer = tiny_t5.model_of("t5").decoder.layer(1)
    keys, values = layer.keys_values(torch.randn(3, 9, 32))
    assert (tuple(keys.shape), tuple(values.shape)) == ((3, 4, 8, 9), (3, 4, 9, 8))


@torch.inference_mode()
def test_what_a_cache_holds_is_read_as_tokens_before() -> None:
    model = tiny_t5.model_of("t5")
    layer, hidden, bias = model.decoder.layer(0), torch.randn(6, 32), model.written_distances(6)
    whole = layer.attended(hidden, bias)
    _, key, value = layer.parted(layer.query_key_value(layer.attention_norm(hidden[:4])), 3)
    found, (new, _) = layer.advanced(hidden[4:], bias[:, 4:, :4], bias[:, 4:, 4:], (key, value))
    assert whole is not None
    assert (found - whole[4:]).abs().max() < EXACT
    assert new.shape == (4, 2, 8)


@torch.inference_mode()
def test_a_part_that_is_gone_adds_nothing_and_heads_keep_their_own_bias() -> None:
    model, hidden = tiny_t5.model_of("t5"), torch.randn(5, 32)
    blank = [StackCut(layer=0, heads=(), neurons=()), StackCut(layer=1, heads=(3, 1), neurons=())]
    cut = model.sliced(everything(model.shape.encoder), blank).decoder
    bias = model.written_distances(5)
    assert torch.equal(cut.layer(0)(hidden, bias), hidden)
    assert torch.equal(cut.layer(1).own(bias), bias[[3, 1]])
    assert not hasattr(cut.layer(1), "cross_query")
