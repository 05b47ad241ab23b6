"""A training's order, its share and its rate follow from the steps taken and the seed alone."""

from dataclasses import replace

import pytest

from edgewright.models.checkpoints import Place
from edgewright.models.training_order import WARM_UP_SHARE, epoch_steps, rate_at, share_done, side_by_side
from tests.models.lines import schedule

LENGTHS = [3, 9, 4, 8, 5, 7, 6, 10, 3, 4]


def test_an_epoch_has_every_example_once_in_an_order_of_its_own() -> None:
    first, second = (epoch_steps(LENGTHS, schedule(batch_tokens=20), epoch, processes=1) for epoch in (0, 1))
    for steps in (first, second):
        assert sorted(index for step in steps for batch in step for index in batch) == list(range(len(LENGTHS)))
    assert first != second
    assert epoch_steps(LENGTHS, schedule(batch_tokens=20), 0, processes=1) == first
    assert epoch_steps(LENGTHS, schedule(batch_tokens=20, seed=1), 0, processes=1) != first


def test_a_step_has_a_batch_for_each_process_and_the_last_may_have_fewer() -> None:
    batched = [[0], [1, 2], [3], [4], [5]]
    assert side_by_side(batched, 2) == [[[0], [1, 2]], [[3], [4]], [[5]]]
    assert side_by_side(batched, 1) == [[batch] for batch in batched]
    assert side_by_side([], 3) == []


def test_the_share_is_that_of_the_end_which_comes_first() -> None:
    place = Place(epoch=1, batch=2, tokens=300)
    by_epochs = replace(schedule(), epochs=5, tokens=None)
    assert share_done(place, by_epochs, steps=4) == pytest.approx(0.3)
    assert share_done(place, replace(by_epochs, tokens=600), steps=4) == pytest.approx(0.5)
    assert share_done(place, replace(by_epochs, epochs=None, tokens=300), steps=4) == 1.0


def test_the_rate_rises_over_the_warm_up_and_falls_to_nothing() -> None:
    plan = schedule(learning_rate=2.0)
    assert 0 < rate_at(0.0, plan) < rate_at(WARM_UP_SHARE / 2, plan) < rate_at(WARM_UP_SHARE, plan)
    assert rate_at(WARM_UP_SHARE, plan) == pytest.approx(2.0 * (1 - WARM_UP_SHARE))
    assert rate_at(0.5, plan) == pytest.approx(1.0)
    assert rate_at(1.0, plan) == 0.0
