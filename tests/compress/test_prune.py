"""What matters least is cut; what is left answers as the whole model does with those parts silenced."""

import copy
import json
from collections.abc import Iterator
from dataclasses import asdict, replace
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from edgewright.compress.gradual_cut import steps
from edgewright.compress.importance import importance
from edgewright.compress.importance_scores import Importance, UnitKind
from edgewright.compress.prune import Pruned, prune
from edgewright.compress.unit_counts import PruneSizes
from edgewright.errors import InputError
from edgewright.models.model import TransformerModel, load, save
from edgewright.models.transformer_shape import LayerCut, LayerShape, TransformerShape
from tests.compress.test_importance import images, text_model, texts, vision_model

# Heads, a head's channels, neurons and width of each of the three layers.
HEADS, HEAD_WIDTH, WIDTH = 4, 8, 32
FAMILIES = ("text", "vision")


@cache
def whole(family: str = "text") -> TransformerModel:
    """Read it, do not change it."""
    return text_model() if family == "text" else vision_model()


def inputs(family: str = "text") -> Any:
    return texts(20) if family == "text" else images(20)


@cache
def scores(family: str = "text", kind: UnitKind = "activation") -> Importance:
    return importance(whole(family), inputs(family), kind=kind)


def cut(family: str = "text", kind: UnitKind = "activation", **settings: Any) -> Pruned:
    return prune(whole(family), scores(family, kind), PruneSizes(**settings))


def sizes(model: TransformerModel) -> list[tuple[int, int, int]]:
    return [(layer.heads, layer.head_width, layer.neurons) for layer in model.encoder.shape.layers]


@torch.no_grad()
def outputs(model: TransformerModel, family: str = "text") -> Tensor:
    return model(*inputs(family).batch(range(6)))


@torch.no_grad()
def silenced(model: TransformerModel, cuts: tuple[LayerCut, ...]) -> TransformerModel:
    """The whole model in which all that the cuts leave out has weights of 0."""
    quiet = copy.deepcopy(model)
    for cut in cuts:
        layer, shape = quiet.encoder.layer(cut.layer), model.encoder.shape.layers[cut.layer]
        inner = shape.heads * shape.head_width
        gone = set(range(inner))
        scored = set(range(inner))
        for place, head in enumerate(cut.heads):
            every = tuple(range(shape.head_width))
            gone -= {head * shape.head_width + channel for channel in (cut.value[place] if cut.value else every)}
            scored -= {
                head * shape.head_width + channel for channel in (cut.query_key[place] if cut.query_key else every)
            }
        layer.attention_output.weight[:, sorted(gone)] = 0
        layer.query_key_value.weight[sorted(scored)] = 0
        layer.query_key_value.bias[sorted(scored)] = 0
        layer.down.weight[:, sorted(set(range(shape.neurons)) - set(cut.neurons))] = 0
    return quiet


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize(
    "settings",
    [
        {"heads": 3, "neurons": 20},
        {"head_width": 5},
        {"heads": 2, "head_width": 3, "neurons": 7},
        {"heads": 0, "neurons": 9},
        {"heads": 1, "neurons": 0},
        {"share": 0.4},
        {"ranking": "global", "heads": 2, "neurons": 16},
    ],
    ids=json.dumps,
)
def test_a_pruned_model_equals_the_whole_one_with_the_parts_silenced(family: str, settings: dict[str, Any]) -> None:
    pruned = cut(family, **settings)
    expected = outputs(silenced(whole(family), pruned.cuts), family)
    torch.testing.assert_close(outputs(pruned.model, family), expected, rtol=1e-4, atol=1e-4)
    assert pruned.model.parameters_count < whole(family).parameters_count


@pytest.mark.parametrize("family", FAMILIES)
def test_a_narrower_stream_keeps_the_outputs_size_and_the_most_important_dimensions(family: str) -> None:
    pruned = cut(family, width=20)
    assert pruned.width == tuple(sorted(scores(family).width.topk(20).indices.tolist()))
    assert pruned.model.encoder.shape.width == 20
    assert outputs(pruned.model, family).shape == outputs(whole(family), family).shape
    assert pruned.model.encoder.layer(0).up.weight.shape[1] == 20


@pytest.mark.parametrize("kind", ["magnitude", "activation", "taylor", "fisher"])
@pytest.mark.parametrize("family", FAMILIES)
def test_cutting_what_matters_least_changes_outputs_less_than_what_matters_most(family: str, kind: UnitKind) -> None:
    found = scores(family, kind)
    flipped = replace(
        found, layers=tuple(replace(layer, heads=-layer.heads, neurons=-layer.neurons) for layer in found.layers)
    )

    def error(ranked: Importance) -> float:
        pruned = prune(whole(family), ranked, PruneSizes(heads=3, neurons=40)).model
        return float((outputs(pruned, family) - outputs(whole(family), family)).square().mean())

    assert error(found) < 0.7 * error(flipped)


def test_what_is_cut_has_the_sizes_asked_for_and_is_in_evaluation_mode() -> None:
    pruned = cut(layers=2, heads=3, neurons=20)
    assert sizes(pruned.model) == [(3, HEAD_WIDTH, 20)] * 2
    assert [cut.layer for cut in pruned.cuts] == [0, 2]
    assert pruned.width is None
    assert not any(module.training for module in pruned.model.modules())


def test_the_kept_are_the_most_important_in_their_old_order() -> None:
    (found,) = cut(layers=[1], heads=2, neurons=10, head_width=3).cuts
    own = scores().layers[1]
    assert found.layer == 1
    assert list(found.neurons) == sorted(own.neurons.argsort(descending=True)[:10].tolist())
    assert list(found.heads) == sorted(own.heads.argsort(descending=True)[:2].tolist())
    assert found.query_key == tuple(tuple(sorted(own.query_key[head].topk(3).indices.tolist())) for head in found.heads)
    assert found.value == tuple(tuple(sorted(own.value[head].topk(3).indices.tolist())) for head in found.heads)


def test_layers_by_importance_are_those_that_lose_most() -> None:
    own = scores()
    layers = tuple(
        replace(layer, layer=torch.tensor(score)) for layer, score in zip(own.layers, (2.0, 3.0, 1.0), strict=True)
    )
    pruned = prune(whole(), replace(own, layers=layers), PruneSizes(layers=2, layers_by="importance"))
    assert [cut.layer for cut in pruned.cuts] == [0, 1]


@pytest.mark.parametrize("family", FAMILIES)
def test_nothing_asked_for_cuts_nothing_and_shares_no_weights(family: str) -> None:
    pruned = cut(family)
    assert pruned.model.encoder.shape == whole(family).encoder.shape
    assert torch.equal(outputs(pruned.model, family), outputs(whole(family), family))
    ours = {each.data_ptr() for each in pruned.model.parameters()}
    assert not ours & {each.data_ptr() for each in whole(family).parameters()}


def test_the_model_its_mode_and_the_random_state_stay_as_they_were() -> None:
    model = text_model().train()
    state, before = {name: each.clone() for name, each in model.state_dict().items()}, torch.get_rng_state()
    prune(model, scores(), PruneSizes(layers=2, heads=1, head_width=2, neurons=3, width=9))
    assert torch.equal(before, torch.get_rng_state())
    assert model.training
    assert model.encoder.training
    assert all(torch.equal(state[name], each) for name, each in model.state_dict().items())


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({"neurons": 20, "multiple": 16}, (4, 8, 32)),
        ({"neurons": 32, "multiple": 16}, (4, 8, 32)),
        ({"neurons": 60, "multiple": 48}, (4, 8, 64)),
        ({"neurons": 5, "multiple": 1}, (4, 8, 5)),
        ({"neurons": 0, "multiple": 16}, (4, 8, 0)),
        ({"heads": 1, "multiple": 16}, (2, 8, 64)),
        ({"heads": 3, "multiple": 16}, (4, 8, 64)),
        ({"heads": 1, "multiple": 24}, (3, 8, 64)),
        ({"heads": 1, "multiple": 64}, (4, 8, 64)),
        ({"heads": 0, "multiple": 16}, (0, 8, 64)),
        ({"head_width": 3, "multiple": 4}, (4, 4, 64)),
        ({"head_width": 3, "multiple": 16}, (4, 8, 64)),
        ({"heads": 1, "head_width": 3, "multiple": 2}, (1, 4, 64)),
    ],
    ids=json.dumps,
)
def test_sizes_are_rounded_up_to_the_multiple_but_not_beyond_what_there_is(
    settings: dict[str, int], expected: tuple[int, int, int]
) -> None:
    assert sizes(cut(layers=1, **settings).model) == [expected]


@pytest.mark.parametrize(("wanted", "kept"), [(20, 20), (17, 20), (30, 32), (32, 32)])
def test_the_width_is_rounded_up_too(wanted: int, kept: int) -> None:
    assert cut(width=wanted, multiple=4).model.encoder.shape.width == kept


def macs(shape: TransformerShape) -> int:
    return sum(
        4 * layer.heads * layer.head_width * shape.width + 2 * layer.neurons * shape.width for layer in shape.layers
    )


@pytest.mark.parametrize("kind", ["magnitude", "activation", "taylor", "fisher"])
@pytest.mark.parametrize(("share", "multiple"), [(0.1, 1), (0.5, 1), (0.5, 16), (0.77, 8), (1.0, 1)])
def test_global_ranking_keeps_the_promised_share_and_at_most_a_block_more(
    kind: UnitKind, share: float, multiple: int
) -> None:
    shape = cut("vision", kind, share=share, multiple=multiple).model.encoder.shape
    kept = macs(shape) / macs(whole("vision").encoder.shape)
    block = 4 * max(HEAD_WIDTH, multiple) * WIDTH / macs(whole("vision").encoder.shape)
    assert share - 1e-9 <= kept < share + block
    assert all(layer.neurons % multiple == 0 for layer in shape.layers)
    assert all(layer.heads * layer.head_width % multiple == 0 for layer in shape.layers)


def test_global_counts_are_of_an_average_layer_and_go_where_the_scores_are() -> None:
    own = scores()
    scaled = tuple(
        replace(layer, heads=layer.heads * factor, neurons=layer.neurons * factor)
        for layer, factor in zip(own.layers, (1.0, 1e6, 1e-6), strict=True)
    )
    fisher = replace(own, kind="fisher", layers=scaled)
    found = sizes(prune(whole(), fisher, PruneSizes(ranking="global", heads=2, neurons=40, multiple=8)).model)
    assert found == [(2, 8, 56), (4, 8, 64), (0, 8, 0)]  # 6 heads and 120 neurons in all
    activation = replace(fisher, kind="activation")
    evened = sizes(prune(whole(), activation, PruneSizes(ranking="global", heads=2, neurons=40)).model)
    assert evened == sizes(prune(whole(), own, PruneSizes(ranking="global", heads=2, neurons=40)).model)


def test_a_share_weighs_scores_against_what_parts_cost() -> None:
    """A head costs 16 neurons here: with a score of less than 16 neurons' it goes first."""
    own = scores()

    def kept(head: float) -> list[tuple[int, int, int]]:
        layers = tuple(
            replace(layer, heads=torch.full((4,), head), neurons=torch.full((64,), 1.0)) for layer in own.layers
        )
        return sizes(prune(whole(), replace(own, kind="fisher", layers=layers), PruneSizes(share=0.5)).model)

    assert kept(15.0) == [(0, 8, 64)] * 3
    assert kept(17.0) == [(4, 8, 0)] * 3


@pytest.mark.parametrize("family", FAMILIES)
def test_a_pruned_model_can_be_pruned_saved_and_measured_again(family: str, tmp_path: Path) -> None:
    first = cut(family, share=0.3, head_width=6, width=24).model
    again = importance(first, inputs(family), kind="fisher")
    second = prune(first, again, PruneSizes(layers=2, share=0.5, head_width=4, width=16)).model
    assert second.encoder.shape.width == 16
    assert second.parameters_count < first.parameters_count
    save(second, tmp_path)
    torch.testing.assert_close(outputs(load(tmp_path), family), outputs(second, family))
    assert importance(second, inputs(family), kind="activation").width.shape == (16,)


def test_layers_with_fewer_than_the_count_keep_what_they_have() -> None:
    first = cut(ranking="global", heads=2, neurons=30).model
    own = importance(first, inputs(), kind="magnitude")
    most = max(heads for heads, _, _ in sizes(first))
    found = sizes(prune(first, own, PruneSizes(heads=most)).model)
    assert found == sizes(first)


def walked(family: str, settings: PruneSizes, count: int) -> Iterator[TransformerModel]:
    model = whole(family)
    for step in steps(model.encoder.shape, settings, count):
        model = prune(model, importance(model, inputs(family), kind="fisher"), step).model
        outputs(model, family)
        yield model


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize(
    "settings",
    [
        PruneSizes(layers=1, heads=1, neurons=4, head_width=2, width=8),
        PruneSizes(layers=2, layers_by="importance", heads=1, neurons=8, ranking="global"),
        PruneSizes(layers=[1], heads=0, neurons=0),
    ],
    ids=["spread", "global", "named"],
)
@pytest.mark.parametrize("count", [1, 2, 4])
def test_steps_shrink_from_the_whole_to_the_goal(family: str, settings: PruneSizes, count: int) -> None:
    models = list(walked(family, settings, count))
    counts = [whole(family).parameters_count, *(model.parameters_count for model in models)]
    assert len(models) == count
    assert counts == sorted(counts, reverse=True)
    assert len(set(counts)) == count + 1
    goal = models[-1].encoder.shape
    assert len(goal.layers) == (settings.layers if isinstance(settings.layers, int) else 1)
    assert sum(layer.heads for layer in goal.layers) == settings.heads * len(goal.layers)
    assert sum(layer.neurons for layer in goal.layers) == settings.neurons * len(goal.layers)


def test_steps_are_geometric_and_end_with_the_goal() -> None:
    shape = whole().encoder.shape
    found = steps(shape, PruneSizes(neurons=4, heads=1, share=None), 4)
    assert [step.neurons for step in found] == [32, 16, 8, 4]
    assert found[-1] == PruneSizes(neurons=4, heads=1)
    assert steps(shape, PruneSizes(neurons=0), 3)[-1].neurons == 0
    assert steps(shape, PruneSizes(), 2) == [PruneSizes(), PruneSizes()]


def test_shares_of_all_steps_multiply_to_the_goal() -> None:
    models = list(walked("vision", PruneSizes(share=0.3), 3))
    kept = macs(models[-1].encoder.shape) / macs(whole("vision").encoder.shape)
    assert 0.3 <= kept < 0.3 + 3 * 4 * HEAD_WIDTH * WIDTH / macs(whole("vision").encoder.shape)


@pytest.mark.parametrize(
    ("layers", "goal"), [([0, 2, 5], (0, 2, 5)), (3, (0, 2, 5)), ([11], (11,)), (12, tuple(range(12)))]
)
def test_named_and_spread_layers_are_the_same_in_steps_as_in_one_cut(layers: Any, goal: tuple[int, ...]) -> None:
    available = max(6, goal[-1] + 1)
    layer = LayerShape(heads=2, head_width=2, neurons=2)
    shape = TransformerShape(width=4, layers=(layer,) * available)
    present = list(range(available))
    for step in steps(shape, PruneSizes(layers=layers), 4):
        assert isinstance(step.layers, tuple)
        present = [present[index] for index in step.layers]
    assert tuple(present) == goal


@pytest.mark.parametrize(
    ("wanted", "said"),
    [
        ({"layers": [0, 3]}, r"names layer 3, but the teacher has 3, counted from 0; choose from 0 to 2"),
        ({"layers": [2, 0]}, r"stages\.prune\.layers names \[2, 0\]; name at least one, each once, in rising order"),
        ({"layers": []}, r"stages\.prune\.layers names \[\]; name at least one"),
        ({"layers": 4}, r"stages\.prune\.layers asks for 4, but the teacher has 3"),
        ({"layers": 0}, r"stages\.prune\.layers asks for 0; choose at least 1"),
        ({"heads": 5}, r"stages\.prune\.heads asks for 5, but the teacher has 4"),
        ({"heads": -1}, r"stages\.prune\.heads asks for -1; choose at least 0"),
        ({"neurons": 65}, r"stages\.prune\.neurons asks for 65, but the teacher has 64"),
        ({"head_width": 9}, r"stages\.prune\.head_width asks for 9, but the teacher has 8"),
        ({"width": 33}, r"stages\.prune\.width asks for 33, but the teacher has 32"),
        ({"width": 0}, r"stages\.prune\.width asks for 0; choose at least 1"),
        ({"share": 0.0}, r"stages\.prune\.keep_macs is 0; choose more than 0 and at most 1"),
        ({"share": 0.5, "heads": 2}, r"keep_macs stands in place of stages\.prune\.heads and neurons"),
    ],
    ids=str,
)
def test_what_cannot_be_is_refused_with_both_numbers(wanted: dict[str, Any], said: str) -> None:
    with pytest.raises(InputError, match=said):
        cut(**wanted)
    with pytest.raises(InputError, match=said):
        steps(whole().encoder.shape, PruneSizes(**wanted), 2)


def test_no_steps_are_refused() -> None:
    with pytest.raises(InputError, match=r"stages\.prune\.steps asks for 0 steps; choose at least 1"):
        steps(whole().encoder.shape, PruneSizes(), 0)


def test_importance_of_another_model_is_refused() -> None:
    smaller = cut(layers=2, neurons=30).model
    with pytest.raises(InputError, match=r"of a model with 3 layers .* this model has 2 .* measure it anew"):
        prune(smaller, scores(), PruneSizes(heads=2))


def test_cuts_can_be_written_as_json() -> None:
    pruned = cut(heads=2, head_width=4)
    assert json.loads(json.dumps([asdict(cut) for cut in pruned.cuts]))[0]["heads"] == list(pruned.cuts[0].heads)
