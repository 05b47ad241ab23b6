"""In which order a training sees its examples, how far it has come, and how fast it learns there.

In:  the lengths of the examples, a `Schedule`, and where the training has got to.
Out: an epoch's steps, the share of the work that is done, and the learning rate at a share. All of them follow from the
     steps taken and the seed alone, so that a training which goes on from a checkpoint sees what it would have seen.
"""

from __future__ import annotations

import random
from collections.abc import Sequence

from edgewright.models.checkpoints import Place
from edgewright.models.schedule import Schedule
from edgewright.models.text import batches

WARM_UP_SHARE = 0.05


def epoch_steps(lengths: Sequence[int], schedule: Schedule, epoch: int, *, processes: int) -> list[list[list[int]]]:
    """An epoch's steps in random order, each a batch for every process; examples of one size meet others each time."""
    chance = random.Random(f"{schedule.seed} {epoch}")
    order = chance.sample(range(len(lengths)), len(lengths))
    batched = batches([lengths[index] for index in order], schedule.batch_tokens)
    steps = side_by_side([[order[place] for place in batch] for batch in batched], processes)
    return chance.sample(steps, len(steps))


def side_by_side(batched: Sequence[list[int]], processes: int) -> list[list[list[int]]]:
    """For each step a batch for each process, of like lengths so that none waits long; the last step may have fewer."""
    return [list(batched[first : first + processes]) for first in range(0, len(batched), processes)]


def share_done(place: Place, schedule: Schedule, *, steps: int) -> float:
    """How much of the training is done, by the `steps` of an epoch and those taken: 1 where the schedule's work is."""
    epochs = (place.epoch + place.batch / steps) / schedule.epochs if schedule.epochs else 0.0
    tokens = place.tokens / schedule.tokens if schedule.tokens else 0.0
    return max(epochs, tokens)


def rate_at(share: float, schedule: Schedule) -> float:
    """The learning rate of a step: it rises over the first `WARM_UP_SHARE` of the work, and falls to 0 at its end."""
    return schedule.learning_rate * min(1.0, share / WARM_UP_SHARE + 0.01) * (1.0 - share)
