"""What a cut leaves is planned by the counts that it then keeps; where those are not known equal layers are assumed."""

from typing import Any

import pytest

from edgewright.compress.cost_limits import MacCosts, faster_by, layers_cost
from edgewright.compress.cut_decoders import OF_DECODERS
from edgewright.compress.cut_plan import SHARES, CutPlan, LayerPlan, cut_plan, decoder_cut_plan, plan_within
from edgewright.compress.cutting import Goal
from edgewright.compress.importance import importance
from edgewright.compress.prune import prune
from edgewright.compress.unit_counts import PruneSizes
from edgewright.errors import InputError
from edgewright.modality.encoded import Encoded
from edgewright.models.decoder import DecoderModel
from edgewright.models.inputs import TextInputs
from edgewright.models.transformer_shape import LayerShape, TransformerShape
from edgewright.specs.recipe import Prune
from tests import tiny, tiny_decoders
from tests.compress.test_families import model_of

SHAPE = TransformerShape(width=32, layers=(LayerShape(heads=4, head_width=8, neurons=64),) * 6)
COSTS = MacCosts(width=32, head_width=8, length=16)


@pytest.mark.parametrize("family", ["bert", "albert", "modernbert", "mpnet", "deberta-v2"])
@pytest.mark.parametrize(
    "asked",
    [
        {"layers": 2, "heads": 3, "neurons": 30, "multiple": 8},
        {"layers": (1, 2), "width": 20, "multiple": 8},
        {"neurons": 0},
        {"heads": 0, "layers": 1},
        {},
    ],
)
def test_what_is_planned_without_importance_is_what_the_cut_then_leaves(family: str, asked: dict[str, Any]) -> None:
    model, sizes = model_of(family), PruneSizes(**asked)
    scores = importance(model, TextInputs(tiny.rows(4)), kind="magnitude")
    cut = prune(model, scores, sizes).model.encoder.shape
    planned = cut_plan(model.encoder.shape, sizes)
    assert planned == cut_plan(model.encoder.shape, sizes, scores)
    left = planned.of(model.encoder.shape)
    assert [(each.heads, each.head_width, each.neurons, each.local) for each in left.layers] == [
        (each.heads, each.head_width, each.neurons, each.local) for each in cut.layers
    ]
    assert left.width == cut.width


def test_counts_that_only_importance_decides_are_taken_to_be_alike() -> None:
    assert {(each.heads, each.neurons) for each in cut_plan(SHAPE, PruneSizes(share=0.5)).layers} == {(2, 32)}
    average = PruneSizes(ranking="global", heads=3, neurons=20, multiple=16)
    assert {(each.heads, each.neurons) for each in cut_plan(SHAPE, average).layers} == {(3, 20)}
    by_importance = cut_plan(SHAPE, PruneSizes(layers=2, layers_by="importance"))
    assert [each.layer for each in by_importance.layers] == [0, 5]


def test_a_plan_within_a_limit_keeps_it_with_the_largest_equal_share() -> None:
    limit = faster_by(COSTS, SHAPE.layers, 2.0)
    taken = [layers_cost(COSTS, plan_within(SHAPE, limit, layers=most).of(SHAPE).layers) for most in (None, 4)]
    assert all(cost <= limit.budget for cost in taken)
    assert taken[0] > 0.8 * limit.budget
    every = plan_within(SHAPE, faster_by(COSTS, SHAPE.layers, 1.0))
    assert every.of(SHAPE) == SHAPE
    assert len(plan_within(SHAPE, limit, layers=99).layers) == 6


def test_a_limit_that_no_share_keeps_gets_the_smallest() -> None:
    least = plan_within(SHAPE, faster_by(COSTS, SHAPE.layers, 1e9))
    assert {(each.heads, each.neurons) for each in least.layers} == {(1, round(64 * SHARES[-1]))}


def test_a_plan_says_what_is_left_of_a_shape() -> None:
    plan = CutPlan(layers=(LayerPlan(layer=2, heads=0, head_width=4, neurons=8),), width=16)
    (layer,) = plan.of(SHAPE).layers
    assert (plan.of(SHAPE).width, layer.heads, layer.head_width, layer.neurons) == (16, 0, 8, 8)


def test_more_than_there_is_is_refused_or_taken_for_all_there_is() -> None:
    asked = PruneSizes(layers=9, heads=9, neurons=900, head_width=80, width=320)
    with pytest.raises(InputError, match="layers asks for 9, but the teacher has 6"):
        cut_plan(SHAPE, asked)
    assert cut_plan(SHAPE, asked.at_most(SHAPE)).of(SHAPE) == SHAPE


@pytest.mark.parametrize("variant", ["llama", "qwen3", "gpt2"])
@pytest.mark.parametrize(
    "asked",
    [
        {"layers": 2, "heads": 2, "neurons": 20, "width": 20},
        {"layers": 2, "neurons": 12, "steps": 2},
        {"layers": 1, "heads": 2},
        {},
    ],
)
def test_a_decoder_is_planned_with_the_sizes_that_its_cut_then_leaves(variant: str, asked: dict[str, Any]) -> None:
    model = tiny_decoders.decoder(variant)
    settings = Prune.model_validate({"layers": None, "neurons": None, **asked})
    rows = TextInputs([Encoded(ids=tuple(range(1, 9)), words=tuple(range(8)))])
    student = model
    for step in range(settings.steps):
        cut = OF_DECODERS.cut(student, rows, Goal(settings=settings, multiple=8, step=step))
        assert isinstance(cut.model, DecoderModel)
        student = cut.model
    assert decoder_cut_plan(model.shape, settings, multiple=8).of(model.shape) == student.shape


def test_layers_of_a_decoder_are_those_that_were_ranked_or_else_evenly_spread() -> None:
    shape = tiny_decoders.decoder("llama").shape
    settings = Prune.model_validate({"layers": 2, "neurons": None})
    ranked = decoder_cut_plan(shape, settings, multiple=1, ranked=lambda count: range(count))
    assert [each.layer for each in ranked.layers] == [0, 1]
    assert [each.layer for each in decoder_cut_plan(shape, settings, multiple=1).layers] == [0, 2]
