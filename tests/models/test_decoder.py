"""Decoders that are cut: what is kept is as it was, and what held nothing changes nothing."""

import pytest
import torch

from edgewright.models.decoder import DecoderModel, everything
from edgewright.models.decoder_loading import from_transformers
from edgewright.models.transformer_shape import LayerCut
from tests import tiny_decoders

IDS = tiny_decoders.ids_of(2, 33)
KINDS = ("llama", "llama with one table", "llama with biases", "qwen2", "qwen3", "gpt2", "gpt2 with two tables")


def own(variant: str) -> DecoderModel:
    """A copy to be changed."""
    kind, changes = tiny_decoders.VARIANTS[variant]
    return from_transformers(tiny_decoders.made(kind, **changes))


def apart(first: torch.nn.Module, second: torch.nn.Module, ids: torch.Tensor = IDS) -> float:
    with torch.inference_mode():
        return float((first(ids) - second(ids)).abs().max())


@pytest.mark.parametrize("variant", tiny_decoders.VARIANTS)
def test_a_cut_that_keeps_all_is_the_same(variant: str) -> None:
    model = tiny_decoders.decoder(variant)
    assert apart(model.sliced(everything(model.shape), width=range(32)), model) == 0.0
    assert apart(model.with_vocabulary(range(tiny_decoders.VOCABULARY)), model) == 0.0


@pytest.mark.parametrize("variant", KINDS)
def test_a_layer_group_and_neuron_that_add_nothing_may_go(variant: str) -> None:
    model = own(variant)
    with torch.no_grad():
        for part in (model.layer(1).attention_output, model.layer(1).down):
            for values in part.parameters():
                values.zero_()
        inner = model.shape.queries * model.shape.head_width
        model.layer(0).attention_output.weight[:, :inner] = 0
        model.layer(2).down.weight[:, [0, 5, 19]] = 0
    neurons = model.shape.layers[0].neurons
    first = LayerCut(layer=0, heads=tuple(range(1, model.shape.groups)), neurons=tuple(range(neurons)))
    kept = tuple(neuron for neuron in range(neurons) if neuron not in (0, 5, 19))
    cut = model.sliced((first, LayerCut(layer=2, heads=tuple(range(model.shape.groups)), neurons=kept)))
    assert [(layer.groups, layer.neurons) for layer in cut.shape.layers] == [
        (model.shape.groups - 1, neurons),
        (model.shape.groups, neurons - 3),
    ]
    assert cut.parameters_count < model.parameters_count
    assert apart(cut, model) < 1e-5


@pytest.mark.parametrize("variant", KINDS[:5])
def test_dimensions_that_hold_nothing_may_go(variant: str) -> None:
    model = own(variant)
    gone, kept = [3, 8, 30], [each for each in range(32) if each not in (3, 8, 30)]
    with torch.no_grad():
        model.tokens.weight[:, gone] = 0
        for layer in map(model.layer, range(3)):
            for part in (layer.attention_output, layer.down):
                for values in part.parameters():
                    values[gone] = 0
    model.double()  # sums of other lengths round otherwise
    cut = model.sliced(everything(model.shape), width=kept)
    assert cut.shape.width == 29
    assert apart(cut, model) < 1e-6


def test_parts_that_lose_all_leave_their_bias_where_they_had_one() -> None:
    for variant in ("llama", "gpt2"):
        model = tiny_decoders.decoder(variant)
        cut = model.sliced([LayerCut(layer=0, heads=(), neurons=()), everything(model.shape)[2]])
        biases = {name for name, _ in cut.named_parameters() if name.startswith("layers.0.")}
        assert biases == (set() if variant == "llama" else {"layers.0.attention_output.bias", "layers.0.down.bias"})
        assert bool(cut(IDS).isfinite().all())


@torch.inference_mode()
def test_a_smaller_vocabulary_says_the_same_of_what_it_has() -> None:
    for variant in ("llama", "llama with one table", "gpt2"):
        model, kept = tiny_decoders.decoder(variant), [0, *range(40, 90), 7]
        cut = model.with_vocabulary(kept)
        ids = torch.randint(0, len(kept), (2, 9))
        expected = model(torch.tensor(kept)[ids])[..., kept]
        assert float((cut(ids) - expected).abs().max()) < 1e-5
        assert cut.shape.vocabulary == len(kept)


@pytest.mark.parametrize("variant", tiny_decoders.VARIANTS)
def test_fewer_positions_give_the_same(variant: str) -> None:
    model = tiny_decoders.decoder(variant)
    short = model.with_positions(33)
    assert short.shape == model.shape.cut_at(33)
    assert apart(short, model) == 0.0
    assert model.with_positions(1000) is model


def test_logits_depend_on_no_later_token() -> None:
    for variant in ("llama", "gpt2"):
        model, changed = tiny_decoders.decoder(variant), IDS.clone()
        changed[:, 20:] = 1
        with torch.inference_mode():
            assert torch.equal(model(IDS)[:, :20], model(changed)[:, :20])
