"""How a long piece of work tells how far it is, without knowing who listens.

In:  the names of stages, and how much of each is done.
Out: nothing; a `Progress` only listens. `Silent` is the default everywhere; what a terminal shows is `cli`'s.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Protocol

OnProgress = Callable[[float, float], None]
"""Hears (how much is done, of how much), or of a training (the share that is done, its loss)."""

LEAST_PACE_S = 2.0  # that a pace is taken from; what came at once, such as a part from a checkpoint, is none


class Progress(Protocol):
    """A listener to the work: stages are entered and left, and within one its share is reported from time to time."""

    def stage(self, name: str) -> AbstractContextManager[None]:
        """Enter a stage for as long as the context lasts; stages may lie within one another."""

    def update(self, done: float, total: float, note: str = "") -> None:
        """`done` of `total` (in any unit) of the innermost stage is finished; `note` is a few words, a loss say."""


class TimeLeft:
    """How long the innermost stage will still take, by its pace since its present phase began.

    A stage may have phases one after another, say training and then scoring: a share that falls, or another total, is
    a new phase.
    """

    def __init__(self, clock: Callable[[], float] | None = None) -> None:
        self._clock = clock or time.monotonic
        self._total = self._done = self._first = 0.0
        self._begun_s: float | None = None

    def seconds(self, done: float, total: float) -> float | None:
        """The seconds left where `done` of `total` is finished now; None as long as there is no pace to tell it by."""
        now = self._clock()
        if self._begun_s is None or done < self._done or total != self._total:
            self._begun_s, self._first, self._total = now, done, total
        self._done = done
        spent_s, came = now - self._begun_s, done - self._first
        return spent_s / came * (total - done) if spent_s >= LEAST_PACE_S and came > 0 else None


def about(seconds: float) -> str:
    """A duration in words, as roughly as it is known: seconds, minutes, or hours and minutes."""
    if seconds < 90:
        return f"{max(seconds, 1):.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 90 else f"{minutes // 60} h {minutes % 60:02d} min"


class EnteredStages:
    """A listener that writes down the `names` of the stages that are entered, in their order."""

    def __init__(self) -> None:
        self.names: list[str] = []

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Write down the name."""
        self.names.append(name)
        yield

    def update(self, done: float, total: float, note: str = "") -> None:
        """Do nothing."""


class Silent:
    """A listener that does nothing."""

    def stage(self, name: str) -> AbstractContextManager[None]:
        """Do nothing around the stage."""
        return nullcontext()

    def update(self, done: float, total: float, note: str = "") -> None:
        """Do nothing."""
