"""The task of a value for each text."""

import math
from typing import Any

import pytest
import torch

from edgewright.data.texts import Example, Texts
from edgewright.errors import BadDataError
from edgewright.tasks.table import task_of


def texts(*train: Example, test: tuple[Example, ...] = (), **more: Any) -> Texts:
    return Texts(train=train, validation=(), test=test, **more)


def test_a_value_that_is_no_finite_number_is_reported_with_its_row() -> None:
    for value in (math.nan, math.inf, None):
        with pytest.raises(BadDataError, match=f"row 2 has the value {value}; values must be finite"):
            task_of("regression").targets(texts(Example(text="a", value=1.0), Example(text="b", value=value)))


def test_values_are_learned_on_a_scale_of_mean_0_and_spread_1() -> None:
    rows = texts(*(Example(text=str(n), value=1e6 + n) for n in range(9)))
    targets = torch.stack(list(task_of("regression").targets(rows)))
    assert targets.mean() == pytest.approx(0, abs=1e-6)
    assert targets.std(correction=0) == pytest.approx(1)
    task = task_of("regression")
    assert task.standardised
    assert task.scale(rows).restored(targets.double()).tolist() == pytest.approx([1e6 + n for n in range(9)])
    assert task.loss(torch.zeros(9, 1), targets) == pytest.approx(1)
