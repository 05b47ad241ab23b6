"""A layer may be left without heads and neurons, and takes one row alone as it takes a batch."""

import torch

from edgewright.models.linear_maps import Constant
from edgewright.models.text import padded
from edgewright.models.transformer_shape import LayerCut
from tests import tiny

HEADS, HEAD_WIDTH, NEURONS, WIDTH = 4, 8, 64, 32
ALL_HEADS, ALL_NEURONS = tuple(range(HEADS)), tuple(range(NEURONS))


def text_inputs() -> tuple[torch.Tensor, torch.Tensor]:
    return padded(tiny.rows(5))


def whole_cuts(count: int = 3) -> list[LayerCut]:
    return [LayerCut(layer=layer, heads=ALL_HEADS, neurons=ALL_NEURONS) for layer in range(count)]


def test_a_layer_without_heads_and_neurons_holds_two_vectors_and_two_norms() -> None:
    small = tiny.encoder().sliced([LayerCut(layer=1, heads=(), neurons=())])
    layer = small.layer(0)
    assert isinstance(layer.attention_output, Constant)
    assert isinstance(layer.down, Constant)
    assert sum(values.numel() for values in layer.parameters()) == 6 * WIDTH
    again = small.sliced([LayerCut(layer=0, heads=(), neurons=())])
    assert torch.equal(again(*text_inputs()), small(*text_inputs()))


@torch.inference_mode()
def test_one_row_alone_gives_what_it_gives_in_a_batch_also_without_heads() -> None:
    small = tiny.encoder().sliced([LayerCut(layer=0, heads=(), neurons=(1, 2)), *whole_cuts()[1:]])
    ids, mask = text_inputs()
    length = int(mask[0].sum())
    assert torch.allclose(small(ids[0, :length]), small(ids, mask)[0, :length], atol=1e-5)
