"""The one training loop: batches of like length, a warmed-up and falling learning rate, and a stop when it diverges.

In:  a model, a loss over a batch of text indexes, and a `Schedule`.
Out: the model, trained in place, and `Trained`: what was done and how the loss fell.
What the loss is belongs to those who train: `tasks` to labels, `compress` to a teacher.
"""

from __future__ import annotations

import math
import random
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from toolchain.errors import BadDataError, TrainingError
from toolchain.models.text import batches

WARM_UP_SHARE = 0.05
LARGEST_GRADIENT_NORM = 1.0
CURVE_POINTS = 20


@dataclass(frozen=True, kw_only=True)
class Schedule:
    """How long and how fast to train; whichever limit comes first ends it."""

    learning_rate: float
    batch_tokens: int
    seed: int
    epochs: int | None = None
    seconds: float | None = None


@dataclass(frozen=True, kw_only=True)
class Trained:
    """What training did; `losses` has one mean for each twentieth of the way."""

    steps: int
    tokens: int
    seconds: float
    losses: tuple[float, ...]


def train(
    model: nn.Module,
    lengths: Sequence[int],
    loss_of: Callable[[list[int]], Tensor],
    schedule: Schedule,
    *,
    setting: str,
    told: Callable[[float, float], None] | None = None,
) -> Trained:
    """AdamW on `loss_of(indexes)` over texts of these `lengths` in tokens; `told` hears (share done, loss).

    Raises `TrainingError` when the loss or a weight is no longer a number, naming the step, the rate and the recipe's
    `setting` that lowers it.
    """
    if not lengths:
        raise BadDataError("there is no text to train on; add rows to the train split or give data.extra_text")
    torch.manual_seed(schedule.seed)
    model.train()
    optimizer = torch.optim.AdamW(
        model.parameters(), lr=schedule.learning_rate, betas=(0.9, 0.98), weight_decay=0.01, fused=True
    )
    started = time.perf_counter()
    losses: list[tuple[float, float]] = []
    tokens = 0
    for done, batch in _batches(lengths, schedule, started):
        rate = schedule.learning_rate * min(1.0, done / WARM_UP_SHARE + 0.01) * (1.0 - done)
        for group in optimizer.param_groups:
            group["lr"] = rate
        loss = loss_of(batch)
        value = loss.item()
        if not math.isfinite(value):
            raise TrainingError(
                f"the loss is {value} at step {len(losses)} with learning rate {rate:.2g}; lower {setting}"
            )
        optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(model.parameters(), LARGEST_GRADIENT_NORM)
        optimizer.step()
        tokens += sum(lengths[index] for index in batch)
        losses.append((done, value))
        if told:
            told(done, value)
    if not all(bool(parameter.isfinite().all()) for parameter in model.parameters()):
        raise TrainingError(f"the weights are no longer finite after {len(losses)} steps; lower {setting}")
    model.eval()
    return Trained(
        steps=len(losses), tokens=tokens, seconds=time.perf_counter() - started, losses=tuple(_curve(losses))
    )


def _batches(lengths: Sequence[int], schedule: Schedule, started: float) -> Iterator[tuple[float, list[int]]]:
    """(share of the training done, indexes of the next batch) until one limit is reached."""
    grouped = batches(lengths, schedule.batch_tokens)
    shuffled = random.Random(schedule.seed)
    epoch = 0
    while schedule.epochs is None or epoch < schedule.epochs:
        shuffled.shuffle(grouped)
        for number, batch in enumerate(grouped):
            share = (epoch + number / len(grouped)) / schedule.epochs if schedule.epochs else 0.0
            if schedule.seconds:
                share = max(share, (time.perf_counter() - started) / schedule.seconds)
            if share >= 1.0:
                return
            yield share, batch
        epoch += 1


def _curve(losses: Sequence[tuple[float, float]]) -> Iterator[float]:
    for point in range(CURVE_POINTS):
        part = [loss for done, loss in losses if point <= done * CURVE_POINTS < point + 1]
        if part:
            yield sum(part) / len(part)
