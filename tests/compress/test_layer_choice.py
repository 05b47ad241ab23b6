"""Layers are left out one after another, each time the one that costs least now."""

from collections import Counter

import pytest
import torch

from edgewright.compress import layer_choice
from edgewright.compress.layer_choice import layers_that_stay
from edgewright.models.decoder import DecoderModel, everything
from edgewright.models.decoder_loading import from_transformers
from tests import tiny_decoders
from tests.compress.test_cut_decoders import sample

LAYERS = 6


def deep(layers: int = LAYERS) -> DecoderModel:
    return from_transformers(tiny_decoders.made("llama", num_hidden_layers=layers))


def divergence(model: DecoderModel, layers: tuple[int, ...]) -> float:
    cuts = everything(model.shape)
    smaller = model.sliced([cuts[layer] for layer in layers]).eval()
    total, count = 0.0, 0
    with torch.inference_mode():
        for row in sample().rows:
            ids = torch.tensor([row.ids])
            own, whole = (each(ids).log_softmax(dim=-1) for each in (smaller, model))
            total += float((whole.exp() * (whole - own)).sum())
            count += len(row.ids)
    return total / count


def silenced(model: DecoderModel, layer: int) -> None:
    with torch.no_grad():
        for part in (model.layer(layer).attention_output, model.layer(layer).down):
            part.weight.mul_(1e-4)  # type: ignore[union-attr]


def test_the_first_layer_to_go_is_the_one_that_costs_least_in_the_whole_model() -> None:
    model = deep()
    stay = layers_that_stay(model, sample(), LAYERS - 1)
    trials = {
        layer: divergence(model, tuple(each for each in range(LAYERS) if each != layer)) for layer in range(LAYERS)
    }
    assert set(range(LAYERS)) - set(stay) == {min(trials, key=lambda layer: trials[layer])}


def test_layers_that_do_nothing_go_and_all_stay_where_all_are_asked_for() -> None:
    model = deep()
    for layer in (1, 4):
        silenced(model, layer)
    assert layers_that_stay(model, sample(), LAYERS - 2) == (0, 2, 3, 5)
    assert layers_that_stay(model, sample(), LAYERS) == tuple(range(LAYERS))


def test_a_layer_goes_by_what_it_costs_beside_those_that_went() -> None:
    """Two layers that say the same can each go for little, but not both."""
    model = deep()
    for layer in (0, 1, 3, 4, 5):
        silenced(model, layer)
    twice = everything(model.shape)
    double = model.sliced([twice[each] for each in (0, 2, 2, 3)])
    stay = layers_that_stay(double, sample(), 2)
    assert 1 in stay or 2 in stay
    assert divergence(double, stay) <= divergence(double, (0, 3)) + 1e-9


def test_every_layer_that_is_left_is_tried_each_time(monkeypatch: pytest.MonkeyPatch) -> None:
    tried: list[int] = []
    cost = layer_choice._Trial.cost

    def watched(self: layer_choice._Trial, kept: list[int], *, without: int) -> float:
        tried.append(len(kept))
        return cost(self, kept, without=without)

    monkeypatch.setattr(layer_choice._Trial, "cost", watched)
    layers_that_stay(deep(12), sample(), 9)
    assert Counter(tried) == {12: 12, 11: 11, 10: 10}


def test_no_other_next_step_would_be_better_however_many_layers_are_left() -> None:
    model = deep(14)
    before, after = layers_that_stay(model, sample(), 4), layers_that_stay(model, sample(), 3)
    assert set(after) < set(before)
    trials = {layer: divergence(model, tuple(each for each in before if each != layer)) for layer in before}
    (gone,) = set(before) - set(after)
    assert trials[gone] == pytest.approx(min(trials.values()), rel=1e-3)
