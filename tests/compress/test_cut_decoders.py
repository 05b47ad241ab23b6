"""Decoders are cut where it costs least: layers, query groups with their key/value head, neurons and width."""

from dataclasses import replace
from typing import Any

import pytest
import torch

from edgewright.compress.cut_decoders import energies_of
from edgewright.compress.cutting import Goal, cut
from edgewright.errors import BadDataError, InputError
from edgewright.modality.encoded import Encoded
from edgewright.models.decoder import DecoderModel
from edgewright.models.decoder_loading import from_transformers
from edgewright.models.inputs import TextInputs
from edgewright.specs.recipe import Prune
from tests import tiny_decoders

NOTHING: dict[str, Any] = {"layers": None, "neurons": None}


def sample(count: int = 12) -> TextInputs:
    rows = [tiny_decoders.ids_of(1, 5 + index, seed=index)[0].tolist() for index in range(count)]
    return TextInputs([Encoded(ids=tuple(row), words=tuple(range(len(row)))) for row in rows])


def own(variant: str = "llama") -> DecoderModel:
    kind, changes = tiny_decoders.VARIANTS[variant]
    return from_transformers(tiny_decoders.made(kind, **changes))


def goal(multiple: int = 1, step: int = 0, **settings: Any) -> Goal:
    return Goal(settings=Prune.model_validate({**NOTHING, **settings}), multiple=multiple, step=step)


@pytest.mark.parametrize("variant", ["llama", "llama with one table", "qwen3", "gpt2"])
def test_sizes_are_those_asked_for_and_a_cut_that_keeps_all_is_the_same(variant: str) -> None:
    model, ids = tiny_decoders.decoder(variant), tiny_decoders.ids_of(2, 20)
    neurons = model.shape.layers[0].neurons
    whole = cut(model, sample(), goal(layers=3, heads=4, neurons=neurons, width=32)).model
    with torch.inference_mode():
        assert torch.equal(whole(ids), model(ids))
    smaller = cut(model, sample(), goal(multiple=8, layers=2, heads=2, neurons=20, width=20)).model
    assert isinstance(smaller, DecoderModel)
    assert [(layer.groups * smaller.shape.queries, layer.neurons) for layer in smaller.shape.layers] == [(2, 24)] * 2
    assert (smaller.shape.width, smaller.shape.queries) == (24, model.shape.queries)
    with torch.inference_mode():
        assert bool(smaller(ids).isfinite().all())


def test_what_adds_least_goes() -> None:
    model = own()
    with torch.no_grad():
        for part in (model.layer(1).attention_output, model.layer(1).down):
            part.weight *= 1e-3
        for index in range(3):
            model.layer(index).attention_output.weight[:, 16:] *= 1e-3
            model.layer(index).down.weight[:, 10:] *= 1e-3
    energies = energies_of(model, sample())
    assert all(bool(each[0] > 100 * each[1]) for each in energies.groups)
    made = cut(model, sample(), goal(layers=2, heads=2, neurons=10))
    assert [(each.layer, each.heads, each.neurons) for each in made.layers] == [
        (0, (0, 1), tuple(range(10))),
        (2, (0, 1), tuple(range(10))),
    ]
    assert isinstance(made.model, DecoderModel)
    ids = tiny_decoders.ids_of(2, 20)
    with torch.inference_mode():
        assert float((made.model(ids) - model(ids)).abs().max()) < 0.1
    queries, keys, _ = model.layer(0).rows_of([0])
    kept = made.model.layer(0).query_key_value.weight
    assert torch.equal(kept, model.layer(0).query_key_value.weight[[*queries, *keys, *(keys + 16)]])


def test_padding_counts_for_nothing() -> None:
    model, rows = tiny_decoders.decoder("llama"), sample().rows
    alone = [energies_of(model, TextInputs([row])).neurons[1] for row in rows]
    together = energies_of(model, TextInputs(rows)).neurons[1]
    assert torch.allclose(together, torch.stack(alone).sum(dim=0), rtol=1e-3)


def test_named_layers_stay_and_steps_go_part_of_the_way() -> None:
    model = tiny_decoders.decoder("llama")
    assert [each.layer for each in cut(model, sample(), goal(layers=(0, 2))).layers] == [0, 2]
    first = cut(model, sample(), goal(neurons=12, steps=2)).model
    assert isinstance(first, DecoderModel)
    assert first.shape.layers[0].neurons == 24
    second = cut(first, sample(), goal(neurons=12, steps=2, step=1)).model
    assert isinstance(second, DecoderModel)
    assert second.shape.layers[0].neurons == 12


def test_layers_are_named_as_the_teacher_counts_them_in_each_step() -> None:
    model = tiny_decoders.decoder("llama")
    asked = {"layers": (2,), "neurons": 12, "steps": 2}
    first = cut(model, sample(), goal(**asked))
    assert [each.layer for each in first.layers] == [1, 2]
    assert isinstance(first.model, DecoderModel)
    second = cut(first.model, sample(), replace(goal(step=1, **asked), teacher=lambda: model))
    assert [each.layer for each in second.layers] == [1]  # the teacher's last, as the first step left it
    assert isinstance(second.model, DecoderModel)
    theirs, ours = model.layer(2).query_key_value, second.model.layer(0).query_key_value
    assert torch.equal(ours.weight, theirs.weight)


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"heads": 3}, "a multiple of 2"),
        ({"heads": 6}, "stages.prune.heads asks for 6, but the model has 4"),
        ({"layers": 4}, "stages.prune.layers asks for 4, but the model has 3"),
        ({"layers": (1, 3)}, "names layer 3, but the last one is 2"),
        ({"width": 33}, "stages.prune.width asks for 33"),
        ({"head_width": 4}, "has no attention heads to narrow"),
        ({"speedup": 2.0}, "has no layers with a price"),
        ({"keep_macs": 0.5}, "prune.keep_macs is not for decoders"),
        ({"importance": "taylor"}, 'prune.importance = "taylor" is not for decoders'),
        ({"ranking": "global"}, 'prune.ranking = "global" is not for decoders'),
    ],
)
def test_what_decoders_have_not_is_refused_in_one_sentence(settings: dict[str, Any], said: str) -> None:
    with pytest.raises(InputError) as caught:
        cut(tiny_decoders.decoder("llama"), sample(), goal(**settings))
    assert said in str(caught.value)


def test_without_texts_nothing_is_cut() -> None:
    with pytest.raises(BadDataError, match="no text to cut a decoder by"):
        cut(tiny_decoders.decoder("llama"), TextInputs([]), goal(neurons=8))
