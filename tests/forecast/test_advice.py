"""Advice that needs no bundle to be judged: what is recommended may be set."""

from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgewright.forecast import advice
from edgewright.specs.recipe import TaskSettings


def shorter(length: int) -> list[str]:
    """How the advice to shorten texts of so many tokens is to be followed."""
    case: Any = SimpleNamespace(
        length=length,
        subject=SimpleNamespace(run_length=lambda tokens: tokens),
        _priced=lambda **_: None,
        _change=lambda what, how, found, costs: how,
    )
    return list(advice._Case._shorter(case))


@given(st.integers(1, 512))
def test_every_length_that_is_advised_may_be_set_and_is_shorter(length: int) -> None:
    for how in shorter(length):
        advised = int(how.rpartition("task.max_length = ")[2])
        assert TaskSettings(kind="embedding", max_length=advised).max_length < length


@pytest.mark.parametrize(("length", "advised"), [(64, 32), (17, 8), (12, 8), (9, 8)])
def test_half_of_a_text_is_advised_but_no_less_than_a_recipe_may_set(length: int, advised: int) -> None:
    assert shorter(length) == [f"shorten what you give it, or set task.max_length = {advised}"]


@pytest.mark.parametrize("length", [1, 8])
def test_texts_that_are_as_short_as_may_be_get_no_such_advice(length: int) -> None:
    assert shorter(length) == []
