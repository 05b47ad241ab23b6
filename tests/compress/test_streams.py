"""A sample of a model's stream: about so many tokens, evenly taken, a tenth of its examples held out."""

import pytest
import torch

from edgewright.compress.streams import sampled
from edgewright.errors import InputError
from edgewright.models.inputs import TextInputs
from tests import tiny


def test_a_tenth_of_the_examples_is_held_out_and_padding_is_in_neither_part() -> None:
    rows = tiny.rows(50)
    batches = list(sampled(tiny.model_copy(), TextInputs(rows), 10**6))
    assert sum(int((each.fit | each.held).sum()) for each in batches) == sum(len(row.ids) for row in rows)
    assert not any(bool((each.fit & each.held).any()) for each in batches)
    assert sum(int(each.held.any(dim=1).sum()) for each in batches) == 5


def test_no_more_is_taken_than_was_asked_for_and_a_lone_example_is_held_out() -> None:
    rows = tiny.rows(200)
    taken = sum(int((each.fit | each.held).sum()) for each in sampled(tiny.model_copy(), TextInputs(rows), 300))
    assert 150 < taken < 600
    (alone,) = sampled(tiny.model_copy(), TextInputs(rows[:1]), 300)
    assert bool(alone.held.all())
    assert torch.equal(alone.student, alone.teacher)


def test_without_examples_there_is_nothing_to_measure_with() -> None:
    with pytest.raises(InputError, match="there are no examples to measure the model with"):
        list(sampled(tiny.model_copy(), TextInputs([]), 10))
