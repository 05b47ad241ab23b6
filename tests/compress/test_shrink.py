"""Width, heads and neurons are chosen together, and the nearest student within the budget is the one that is kept."""

from collections.abc import Callable, Sequence

import pytest

from edgewright.compress.cost_limits import CostLimit, MacCosts
from edgewright.compress.importance import importance
from edgewright.compress.shrink import Shrunk, output_error, shrink
from edgewright.errors import InputError
from edgewright.models.inputs import TextInputs
from tests import tiny

WHOLE, HEAD_WIDTH, LENGTH = 32, 8, 12


def within(share: float) -> Callable[[int], CostLimit]:
    """So much of what the whole model's layers cost."""
    whole = MacCosts(width=WHOLE, head_width=HEAD_WIDTH, length=LENGTH)
    budget = share * 3 * (whole.attention(4) + whole.feed_forward(64))

    def limit(width: int) -> CostLimit:
        return CostLimit(costs=MacCosts(width=width, head_width=HEAD_WIDTH, length=LENGTH), budget=budget, name="MACs")

    return limit


def shrunk(widths: Sequence[int], share: float) -> Shrunk:
    model, inputs = tiny.model_copy(), TextInputs(tiny.rows(200))
    scores = importance(model, inputs, kind="activation")
    return shrink(model, scores, inputs, within(share), widths=widths, multiple=8)


def test_the_student_is_within_the_budget_and_as_wide_as_it_says() -> None:
    found = shrunk((32, 24, 16), 0.2)
    assert found.choice.cost <= within(0.2)(32).budget
    width = found.model.encoder.shape.width
    assert width == (32 if found.width is None else len(found.width))
    assert found.model(*TextInputs(tiny.rows(3)).batch(range(3))).shape == (3, WHOLE)


def test_no_single_width_makes_a_nearer_student_than_the_choice_among_all() -> None:
    widths = (32, 24, 16)
    alone = [shrunk((width,), 0.2).error for width in widths]
    assert shrunk(widths, 0.2).error == min(alone)
    assert len(set(alone)) == len(widths)


def test_its_error_is_that_of_its_outputs() -> None:
    found = shrunk((24,), 0.5)
    inputs = TextInputs(tiny.rows(200))
    assert output_error(found.model, tiny.model_copy(), inputs) == found.error
    assert output_error(tiny.model_copy(), tiny.model_copy(), inputs) == 0


def test_a_width_that_costs_too_much_by_itself_is_passed_over() -> None:
    def limit(width: int) -> CostLimit:
        fixed = 10.0 * width
        return CostLimit(costs=MacCosts(width=width, head_width=8, length=12, fixed=fixed), budget=300.0, name="MACs")

    model, inputs = tiny.model_copy(), TextInputs(tiny.rows(100))
    scores = importance(model, inputs, kind="activation")
    assert shrink(model, scores, inputs, limit, widths=(32, 24), multiple=8).model.encoder.shape.width == 24
    with pytest.raises(InputError, match="cannot be met"):
        shrink(model, scores, inputs, limit, widths=(32,), multiple=8)
    with pytest.raises(InputError, match="no width to try"):
        shrink(model, scores, inputs, limit, widths=())
