"""How long and at which rate a model is trained, and what came of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import NamedTuple

from torch import Tensor

from edgewright.errors import InputError

Loss = Callable[[list[int]], Tensor]

CURVE_POINTS = 20


@dataclass(frozen=True, kw_only=True)
class Schedule:
    """How much and how fast to train: so many `epochs`, which need not be whole, or `tokens`; the fewer of the two.

    `tokens` are those of all batches together, in the unit of the examples' lengths (of images: images). `patience`
    ends training too, after so many validations in a row without a better one. They come once an epoch, or at every
    `validate_every` share of the training. `limit_s` is how many seconds one run may take before it is given up with
    a `TrainingLimitError`.
    """

    learning_rate: float
    batch_tokens: int
    seed: int
    epochs: float | None = None
    tokens: int | None = None
    patience: int | None = None
    validate_every: float | None = None
    limit_s: float | None = None

    def __post_init__(self) -> None:
        if self.epochs is None and self.tokens is None:
            raise InputError("a training needs epochs or tokens, to know when to end")

    @property
    def work(self) -> Schedule:
        """What decides the result: all but the limit."""
        return replace(self, limit_s=None)


@dataclass(frozen=True, kw_only=True)
class Trained:
    """What training did, from its first start on; `losses` has one mean for each twentieth of the way.

    `validations` are (tokens trained on, value) of each.
    """

    steps: int
    tokens: int
    seconds: float
    losses: tuple[float, ...]
    validations: tuple[tuple[int, float], ...] = ()
    best_validation: float | None = None
    stopped_early: bool = False
    resumed_from_step: int | None = None


class Step(NamedTuple):
    """A step of a training whose loss may not have been read yet."""

    number: int
    share: float
    rate: float
    loss: Tensor
    norm: Tensor
