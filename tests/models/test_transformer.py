"""What slicing leaves is the whole model with the same parts silenced, wherever that is exact."""

import copy
from collections.abc import Sequence
from dataclasses import replace

import pytest
import torch

from edgewright.models.encoder import Encoder
from edgewright.models.linear_maps import LowRankLinear
from edgewright.models.loading import from_transformers
from edgewright.models.model import Head, HeadShape, TransformerModel
from edgewright.models.text import TextModule, padded
from edgewright.models.transformer import Transformer
from edgewright.models.transformer_layer import TransformerLayer
from edgewright.models.transformer_shape import LINEARS, LayerCut
from edgewright.models.vision import from_transformers as vision_from_transformers
from tests import tiny

HEADS, HEAD_WIDTH, NEURONS, WIDTH = 4, 8, 64, 32
ALL_HEADS, ALL_NEURONS = tuple(range(HEADS)), tuple(range(NEURONS))


def text_inputs() -> tuple[torch.Tensor, torch.Tensor]:
    return padded(tiny.rows(5))


def transformer(family: str) -> Transformer:
    if family in tiny.IMAGE_CLASSES:
        return vision_from_transformers(tiny.family_model(family))
    return from_transformers(tiny.family_model(family))


def inputs(family: str) -> tuple[torch.Tensor, ...]:
    if family in tiny.IMAGE_CLASSES:
        return (torch.randn(3, 3, 8, 12, generator=torch.Generator().manual_seed(0)),)
    return text_inputs()


def whole_cuts(count: int = 3) -> list[LayerCut]:
    return [LayerCut(layer=layer, heads=ALL_HEADS, neurons=ALL_NEURONS) for layer in range(count)]


def low_rank(whole: Encoder, ranks: dict[str, int]) -> Encoder:
    """The same encoder with random matrices of low rank in place of those that are named."""
    layers = tuple(replace(layer, ranks=ranks) for layer in whole.shape.layers)
    torch.manual_seed(5)
    made = Encoder(replace(whole.shape, layers=layers))
    known = {name: values for name, values in whole.state_dict().items() if name in made.state_dict()}
    made.load_state_dict(known, strict=False)
    return made.eval()


def multiplied(source: Encoder) -> Encoder:
    """The encoder with each product of low rank multiplied out."""
    whole = Encoder(replace(source.shape, layers=tuple(replace(each, ranks={}) for each in source.shape.layers)))
    state = {name: values for name, values in source.state_dict().items() if name in whole.state_dict()}
    for name, module in source.named_modules():
        if isinstance(module, LowRankLinear):
            state[f"{name}.weight"] = module.second.weight @ module.first.weight
            state[f"{name}.bias"] = module.second.bias
    whole.load_state_dict(state)
    return whole.eval()


def silence_channels(layer: TransformerLayer, part: int, kept: Sequence[Sequence[int]]) -> None:
    """Zero the channels of the queries (0), keys (1) or values (2) that no head keeps."""
    inner = HEADS * HEAD_WIDTH
    for head in range(HEADS):
        for channel in set(range(HEAD_WIDTH)) - set(kept[head]):
            row = part * inner + head * HEAD_WIDTH + channel
            layer.query_key_value.weight[row] = 0
            layer.query_key_value.bias[row] = 0


@torch.inference_mode()
@pytest.mark.parametrize("family", [*tiny.CLASSES, *tiny.IMAGE_CLASSES])
def test_heads_and_neurons_cut_out_are_silenced_in_every_family(family: str) -> None:
    whole = transformer(family)
    cuts = [
        LayerCut(layer=0, heads=(0, 3), neurons=tuple(range(0, 64, 2))),
        LayerCut(layer=1, heads=(), neurons=(7,)),
        LayerCut(layer=2, heads=(1,), neurons=()),
    ]
    silenced = copy.deepcopy(whole)
    for cut in cuts:
        layer = silenced.layer(cut.layer)
        for head in set(ALL_HEADS) - set(cut.heads):
            layer.attention_output.weight[:, head * HEAD_WIDTH : (head + 1) * HEAD_WIDTH] = 0
        layer.down.weight[:, sorted(set(ALL_NEURONS) - set(cut.neurons))] = 0
    given = inputs(family)
    small = whole.sliced(cuts)
    assert torch.allclose(small(*given), silenced(*given), atol=1e-5)
    assert not torch.allclose(small(*given), whole(*given), atol=1e-2)


@torch.inference_mode()
@pytest.mark.parametrize("family", ["bert", "electra", "mpnet", "albert", "deberta-v2", "vit"])
def test_channels_cut_out_of_heads_are_silenced_and_scores_keep_their_scale(family: str) -> None:
    whole = transformer(family)
    query_key = ((0, 1, 2), (5, 6, 7), (0, 3, 6), (2, 4, 7))
    value = ((1, 2, 3), (0, 6, 7), (1, 3, 5), (0, 4, 7))
    silenced = copy.deepcopy(whole)
    for part, kept in ((0, query_key), (1, query_key), (2, value)):
        silence_channels(silenced.layer(1), part, kept)
    cuts = whole_cuts()
    cuts[1] = replace(cuts[1], query_key=query_key, value=value)
    small = whole.sliced(cuts)
    assert small.shape.layers[1] == replace(whole.shape.layers[1], head_width=3)
    assert small.layer(1).query_key_value.weight.shape == (3 * HEADS * 3, WIDTH)
    given = inputs(family)
    assert torch.allclose(small(*given), silenced(*given), atol=1e-5)
    assert not torch.allclose(small(*given), whole(*given), atol=1e-2)


@torch.inference_mode()
def test_channels_and_heads_are_cut_together_and_cut_again() -> None:
    whole = tiny.encoder()
    query_key, value = ((0, 1, 2, 3), (4, 5, 6, 7)), ((2, 3, 4, 5), (0, 1, 6, 7))
    once = whole.sliced([LayerCut(layer=0, heads=(1, 3), neurons=(0, 1), query_key=query_key, value=value)])
    twice = once.sliced(
        [LayerCut(layer=0, heads=(1,), neurons=(1,), query_key=((0, 3),), value=((1, 2),))]
    )  # head 3's channels 4 and 7 of 4 to 7, and its values 1 and 6
    direct = whole.sliced([LayerCut(layer=0, heads=(3,), neurons=(1,), query_key=((4, 7),), value=((1, 6),))])
    given = text_inputs()
    assert torch.allclose(twice(*given), direct(*given), atol=1e-6)


def doubled(small: Encoder) -> Encoder:
    """A model twice as wide that does the same: every dimension stands there twice, and the second is never read.

    The mean and the variance over dimensions that stand twice are those over the dimensions once.
    """
    whole = Encoder(replace(small.shape, width=2 * WIDTH))
    state = {}
    for name, values in small.state_dict().items():
        owner, kind = name.rpartition(".")[::2]
        if kind == "weight" and owner.endswith(("query_key_value", "up")):
            state[name] = torch.cat([values, torch.zeros_like(values)], dim=1)
        elif owner.endswith(("attention_output", "down", "norm")):
            state[name] = torch.cat([values, values])
        elif owner in ("tokens", "positions"):
            state[name] = torch.cat([values, values], dim=1)
        else:
            state[name] = values
    whole.load_state_dict(state)
    return whole.eval()


@torch.inference_mode()
def test_a_narrower_residual_stream_is_that_of_the_dimensions_that_stay() -> None:
    small = tiny.encoder()
    whole = doubled(small)
    given = text_inputs()
    assert torch.allclose(whole(*given)[..., :WIDTH], small(*given), atol=1e-5)
    cut = whole.sliced(whole_cuts(), width=range(WIDTH))
    assert cut.shape == small.shape
    assert torch.allclose(cut(*given), small(*given), atol=1e-5)


@torch.inference_mode()
@pytest.mark.parametrize("family", [*tiny.CLASSES, *tiny.IMAGE_CLASSES])
def test_dimensions_in_another_order_give_the_same_output_in_that_order(family: str) -> None:
    whole = transformer(family)
    order = torch.randperm(WIDTH, generator=torch.Generator().manual_seed(1)).tolist()
    moved = whole.sliced(whole_cuts(), width=order)
    given = inputs(family)
    assert torch.allclose(moved(*given), whole(*given)[..., order], atol=1e-5)


def test_a_cut_says_its_sizes_and_leaves_the_whole_as_it_was() -> None:
    whole = tiny.encoder()
    before = {name: values.clone() for name, values in whole.state_dict().items()}
    small = whole.sliced([LayerCut(layer=2, heads=(1, 2), neurons=(4,)), LayerCut(layer=0, heads=(), neurons=())])
    assert [(each.heads, each.head_width, each.neurons) for each in small.shape.layers] == [(2, 8, 1), (0, 8, 0)]
    assert not small.training
    assert all(torch.equal(values, before[name]) for name, values in whole.state_dict().items())
    small.layer(0).up.weight.data += 1  # nothing is shared
    assert all(torch.equal(values, before[name]) for name, values in whole.state_dict().items())
    assert whole.train().sliced(whole_cuts()).training
    whole.eval()


@torch.inference_mode()
@pytest.mark.parametrize("name", LINEARS)
def test_a_matrix_of_low_rank_is_its_product(name: str) -> None:
    thin = low_rank(tiny.encoder(), {name: 6})
    assert getattr(thin.layer(0), name).first.weight.shape[0] == 6
    given = text_inputs()
    assert torch.allclose(thin(*given), multiplied(thin)(*given), atol=1e-5)


@torch.inference_mode()
def test_cutting_low_rank_layers_is_cutting_their_products() -> None:
    thin = low_rank(tiny.encoder(), dict(zip(LINEARS, (5, 6, 7, 8), strict=True)))
    kept = ((0, 1, 5), (2, 4, 6))
    cuts = [
        LayerCut(layer=0, heads=(1, 2), neurons=(3, 9, 20), query_key=kept, value=kept),
        LayerCut(layer=1, heads=(), neurons=(8,)),
        LayerCut(layer=2, heads=(0,), neurons=()),
    ]
    width = range(1, 32, 2)
    small = thin.sliced(cuts, width=width)
    expected = multiplied(thin).sliced(cuts, width=width)
    assert [dict(layer.ranks) for layer in small.shape.layers] == [
        {"query_key_value": 5, "attention_output": 6, "up": 7, "down": 8},
        {"up": 7, "down": 8},
        {"query_key_value": 5, "attention_output": 6},
    ]
    assert torch.allclose(small(*text_inputs()), expected(*text_inputs()), atol=1e-5)


@torch.inference_mode()
def test_a_token_table_of_low_rank_is_its_product_and_is_cut_by_its_columns() -> None:
    whole = tiny.encoder()
    torch.manual_seed(5)
    thin = Encoder(replace(whole.shape, token_rank=4)).eval()
    thin.load_state_dict({**thin.state_dict(), **{k: v for k, v in whole.state_dict().items() if k != "tokens.weight"}})
    dense = copy.deepcopy(whole)
    dense.tokens.weight.copy_(thin.tokens.weight @ thin.token_projection.weight.T)
    given = text_inputs()
    assert torch.allclose(thin(*given), dense(*given), atol=1e-5)
    cut, expected = (each.sliced(whole_cuts(), width=range(20)) for each in (thin, dense))
    assert cut.shape.token_rank == 4
    assert torch.allclose(cut(*given), expected(*given), atol=1e-5)


@torch.inference_mode()
def test_narrow_embeddings_keep_their_width_when_the_residual_stream_is_cut() -> None:
    whole = transformer("electra")
    assert isinstance(whole, Encoder)
    cut = whole.sliced(whole_cuts(), width=range(20))
    assert (cut.shape.embedding_width, cut.shape.width) == (16, 20)
    assert torch.equal(cut.embedded(*text_inputs()), whole.embedded(*text_inputs())[..., :20])


@pytest.mark.parametrize("ranks", [{}, dict.fromkeys(LINEARS, 6)])
def test_layers_without_heads_or_neurons_and_of_low_rank_export_at_any_length(ranks: dict[str, int]) -> None:
    whole = low_rank(tiny.encoder(), ranks)
    cuts = [
        LayerCut(layer=0, heads=(), neurons=ALL_NEURONS),
        LayerCut(layer=1, heads=(1, 2), neurons=()),
        LayerCut(layer=2, heads=(), neurons=()),
    ]
    model = TransformerModel(whole.sliced(cuts), Head(HeadShape(pooling="mean"), WIDTH))
    module = TextModule(model, padded=False).eval()
    length = torch.export.Dim("length", min=2, max=tiny.MAX_LENGTH)
    ids = torch.ones(1, 16, dtype=torch.long)
    program = torch.export.export(module, (ids,), dynamic_shapes=({1: length},), strict=False)
    for size in (2, 9, tiny.MAX_LENGTH):
        ids = torch.arange(2, 2 + size)[None]
        assert torch.allclose(program.module()(ids), module(ids), atol=1e-5)
