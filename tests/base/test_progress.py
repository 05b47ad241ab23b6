"""Time left, by the pace of the present phase; durations in words."""

import pytest

from edgewright.base.progress import LEAST_PACE_S, EnteredStages, Silent, TimeLeft, about


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now

    def after(self, seconds: float) -> None:
        self.now += seconds


@pytest.fixture
def clock() -> Clock:
    return Clock()


def test_the_time_left_follows_from_the_pace(clock: Clock) -> None:
    left = TimeLeft(clock)
    assert left.seconds(0, 10) is None
    clock.after(4)
    assert left.seconds(2, 10) == pytest.approx(16)
    clock.after(4)
    assert left.seconds(10, 10) == 0


def test_no_pace_is_reported_from_an_instant_or_from_work_that_stands_still(clock: Clock) -> None:
    left = TimeLeft(clock)
    left.seconds(0, 10)
    clock.after(LEAST_PACE_S / 2)
    assert left.seconds(5, 10) is None
    clock.after(100)
    standing = TimeLeft(clock)
    standing.seconds(3, 10)
    clock.after(100)
    assert standing.seconds(3, 10) is None


def test_what_came_from_a_checkpoint_counts_for_no_pace(clock: Clock) -> None:
    left = TimeLeft(clock)
    left.seconds(8, 10)  # at once
    clock.after(10)
    assert left.seconds(9, 10) == pytest.approx(10)


@pytest.mark.parametrize(("done", "total"), [(0, 10), (1, 10), (9, 20)])
def test_a_share_that_falls_or_another_total_begins_a_new_phase(clock: Clock, done: float, total: float) -> None:
    left = TimeLeft(clock)
    left.seconds(0, 10)
    clock.after(1000)
    left.seconds(8, 10)
    assert left.seconds(done, total) is None
    clock.after(2)
    assert left.seconds(done + 1, total) == pytest.approx(2 * (total - done - 1))


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0, "1 s"), (-3, "1 s"), (0.4, "1 s"), (89.4, "89 s"), (90, "2 min"), (3600, "60 min"), (5399, "1 h 30 min"),
        (7200, "2 h 00 min"), (90_000, "25 h 00 min"),
    ],
)  # fmt: skip
def test_a_duration_is_reported_as_roughly_as_it_is_known(seconds: float, words: str) -> None:
    assert about(seconds) == words


def test_who_does_not_listen_may_be_told_anything() -> None:
    silent = Silent()
    with silent.stage("one"), silent.stage("within"):
        silent.update(0, 0, "nothing")


def test_the_stages_that_are_entered_are_written_down_in_their_order() -> None:
    heard = EnteredStages()
    with heard.stage("outer"), heard.stage("inner"):
        heard.update(1, 2, "half")
    with heard.stage("last"):
        pass
    assert heard.names == ["outer", "inner", "last"]
