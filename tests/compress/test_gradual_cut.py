"""Each step of a cut leaves the same share, and layers are spread from the first to the last."""

import pytest

from edgewright.compress.gradual_cut import between, evenly_or_named, full_counts, nested, spread
from edgewright.models.transformer_shape import LayerShape, TransformerShape


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


@pytest.mark.parametrize(
    ("whole", "goal", "end", "expected"),
    [
        (64, 16, 0.0, 64),
        (64, 16, 0.5, 32),
        (64, 16, 1.0, 16),
        (64, None, 0.5, None),
        (64, 0, 0.5, 8),
        (64, 0, 1.0, 0),
        (0, 0, 0.5, 1),
    ],
)
def test_counts_fall_by_the_same_factor_in_steps_of_the_same_length(
    whole: int, goal: int | None, end: float, expected: int | None
) -> None:
    assert between(whole, goal, end) == expected


def test_layers_that_go_later_are_counted_by_their_place_in_what_the_step_before_left() -> None:
    # Of eight layers 1 and 5 are to stay, in two steps: four, and then the two.
    first, second = nested(8, (1, 5), (0.5, 1.0))
    assert first == (0, 1, 5, 7)
    assert second == (1, 2)


def test_each_step_keeps_all_that_the_end_keeps() -> None:
    goal = (2, 3, 9)
    present = list(range(12))
    for chosen in nested(12, goal, (0.25, 0.5, 0.75, 1.0)):
        assert sorted(set(chosen)) == list(chosen)
        present = [present[place] for place in chosen]
        assert set(goal) <= set(present)
    assert present == list(goal)


def test_named_layers_stay_as_named_and_a_count_is_spread() -> None:
    assert evenly_or_named((3, 4), 12) == (3, 4)
    assert evenly_or_named(3, 12) == spread(3, 12)


def test_all_of_a_layer_is_the_widest_one_or_the_average_rounded_up() -> None:
    layers = tuple(LayerShape(heads=heads, head_width=8, neurons=neurons) for heads, neurons in ((4, 64), (1, 33)))
    shape = TransformerShape(width=32, layers=layers)
    assert full_counts(shape, "uniform") == (4, 64)
    assert full_counts(shape, "global") == (3, 49)
