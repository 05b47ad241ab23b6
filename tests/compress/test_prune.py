"""What contributes least is found, and what is cut leaves smaller tensors."""

import copy

import pytest
import torch

from tests import tiny
from toolchain.compress.importance import LayerImportance, activation_importance
from toolchain.compress.prune import prune, spread
from toolchain.errors import InputError
from toolchain.models.encoder import Encoder, EncoderLayer


def importance() -> list[LayerImportance]:
    return activation_importance(tiny.encoder(), tiny.rows(20))


def layer_of(encoder: Encoder, index: int) -> EncoderLayer:
    layer = encoder.layers[index]
    assert isinstance(layer, EncoderLayer)
    return layer


def test_a_head_and_a_neuron_whose_output_is_nothing_are_least_important() -> None:
    encoder = copy.deepcopy(tiny.encoder())
    layer = layer_of(encoder, 1)
    layer.attention_output.weight.data[:, 2 * 8 : 3 * 8] = 0
    layer.down.weight.data[:, 17] = 0
    scores = activation_importance(encoder, tiny.rows(20))
    assert scores[1].heads[2] == scores[1].heads.min() == 0
    assert scores[1].neurons[17] == scores[1].neurons.min() == 0
    assert (scores[1].heads > 0).sum() == 3
    assert (scores[1].neurons > 0).sum() == 63


def test_a_neuron_that_is_never_active_is_least_important_however_large_its_weights() -> None:
    encoder = copy.deepcopy(tiny.encoder())
    layer = layer_of(encoder, 0)
    layer.up.weight.data[5], layer.up.bias.data[5] = 0, -100
    layer.down.weight.data[:, 5] = 50
    scores = activation_importance(encoder, tiny.rows(20))
    assert scores[0].neurons.argmin() == 5


def test_a_louder_neuron_and_head_are_more_important() -> None:
    encoder = copy.deepcopy(tiny.encoder())
    layer = layer_of(encoder, 2)
    layer.down.weight.data[:, 9] *= 30
    layer.attention_output.weight.data[:, :8] *= 30
    scores = activation_importance(encoder, tiny.rows(20))
    assert scores[2].neurons.argmax() == 9
    assert scores[2].heads.argmax() == 0


def test_padding_adds_nothing_to_importance() -> None:
    rows = [row for row in tiny.rows(40) if len(row.ids) != len(tiny.rows(1)[0].ids)][:2] + tiny.rows(1)
    together = activation_importance(tiny.encoder(), rows)
    alone = [activation_importance(tiny.encoder(), [row]) for row in rows]
    for layer in range(3):
        assert torch.allclose(together[layer].heads, sum(each[layer].heads for each in alone), rtol=1e-3)
        assert torch.allclose(together[layer].neurons, sum(each[layer].neurons for each in alone), rtol=1e-3)


def test_cutting_what_matters_least_changes_outputs_less_than_cutting_what_matters_most() -> None:
    scores = importance()
    upside_down = [LayerImportance(heads=-each.heads, neurons=-each.neurons) for each in scores]
    ids = torch.tensor([tiny.rows(1)[0].ids])

    def error(order: list[LayerImportance]) -> float:
        cut = prune(tiny.encoder(), order, layers=None, heads=3, neurons=40).encoder
        with torch.inference_mode():
            return float((cut(ids) - tiny.encoder()(ids)).square().mean())

    assert error(scores) < 0.7 * error(upside_down)


def test_what_is_cut_has_the_shapes_asked_for_and_fewer_parameters() -> None:
    pruned = prune(tiny.encoder(), importance(), layers=2, heads=3, neurons=20)
    assert [(layer.heads, layer.neurons) for layer in pruned.encoder.shape.layers] == [(3, 20), (3, 20)]
    assert layer_of(pruned.encoder, 0).up.weight.shape == (20, 32)
    assert [cut.layer for cut in pruned.cuts] == [0, 2]
    counts = [sum(each.numel() for each in model.parameters()) for model in (pruned.encoder, tiny.encoder())]
    assert counts[0] < counts[1]
    assert not pruned.encoder.training


def test_neurons_are_rounded_up_to_the_multiple_but_not_beyond_what_there_is() -> None:
    def kept(neurons: int, multiple: int) -> int:
        cut = prune(tiny.encoder(), importance(), layers=1, heads=None, neurons=neurons, multiple=multiple)
        return len(cut.cuts[0].neurons)

    assert kept(20, 16) == 32
    assert kept(32, 16) == 32
    assert kept(60, 48) == 64
    assert kept(5, 1) == 5


def test_the_kept_are_the_most_important_in_their_old_order() -> None:
    scores = importance()
    (cut,) = prune(tiny.encoder(), scores, layers=[1], heads=2, neurons=10).cuts
    assert cut.layer == 1
    assert list(cut.neurons) == sorted(scores[1].neurons.argsort(descending=True)[:10].tolist())
    assert list(cut.heads) == sorted(scores[1].heads.argsort(descending=True)[:2].tolist())


def test_nothing_asked_for_cuts_nothing() -> None:
    same = prune(tiny.encoder(), importance(), layers=None, heads=None, neurons=None).encoder
    ids = torch.tensor([[2, 50, 60, 3]])
    assert same.shape == tiny.encoder().shape
    assert torch.equal(same(ids), tiny.encoder()(ids))


@pytest.mark.parametrize(
    ("wanted", "said"),
    [
        ({"layers": [0, 3]}, r"names layer 3, but the teacher has 3, counted from 0; choose from 0 to 2"),
        ({"layers": 4}, r"stages\.prune\.layers asks for 4, but the teacher has 3"),
        ({"heads": 5}, r"stages\.prune\.heads asks for 5, but the teacher has 4"),
        ({"neurons": 65}, r"stages\.prune\.neurons asks for 65, but the teacher has 64"),
    ],
)
def test_more_than_there_is_is_refused_with_both_numbers(wanted: dict[str, object], said: str) -> None:
    asked = {"layers": None, "heads": None, "neurons": None, **wanted}
    with pytest.raises(InputError, match=said):
        prune(tiny.encoder(), importance(), **asked)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("count", "available", "expected"),
    [(1, 6, (5,)), (2, 6, (0, 5)), (3, 6, (0, 2, 5)), (6, 6, (0, 1, 2, 3, 4, 5)), (1, 1, (0,)), (4, 12, (0, 4, 7, 11))],
)
def test_layers_are_spread_from_the_first_to_the_last(count: int, available: int, expected: tuple[int, ...]) -> None:
    assert spread(count, available) == expected


def test_a_spread_of_any_count_names_each_layer_once() -> None:
    for available in range(1, 25):
        for count in range(1, available + 1):
            chosen = spread(count, available)
            assert len(set(chosen)) == count
            assert list(chosen) == sorted(chosen)
