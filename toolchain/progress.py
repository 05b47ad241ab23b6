"""How a long piece of work tells how far it is, without knowing who listens.

In:  the names of stages, and how much of each is done.
Out: nothing; a `Progress` only listens. `Silent` is the default everywhere; what a terminal shows is `cli`'s.
"""

from contextlib import AbstractContextManager, nullcontext
from typing import Protocol


class Progress(Protocol):
    """A listener to the work: stages are entered and left, and within one its share is told from time to time."""

    def stage(self, name: str) -> AbstractContextManager[None]:
        """Enter a stage for as long as the context lasts; stages may lie within one another."""

    def update(self, done: float, total: float, note: str = "") -> None:
        """`done` of `total` (in any unit) of the innermost stage is finished; `note` is a few words, a loss say."""


class Silent:
    """A listener that does nothing."""

    def stage(self, name: str) -> AbstractContextManager[None]:
        """Do nothing around the stage."""
        return nullcontext()

    def update(self, done: float, total: float, note: str = "") -> None:
        """Do nothing."""
