"""The one training loop: batches of like length, a warmed-up and falling learning rate, and a stop when it diverges.

In:  a model, a loss over a batch of examples' indexes, and a `Schedule`.
Out: the model, trained in place, and `Trained`: what was done and how the loss fell.
How long a training goes on, and its learning rate, depend on the work done and never on a clock: a slow or busy machine
ends with the same weights as a fast one. A limit in seconds ends in an error, not in another result.
What the loss is belongs to those who train: `tasks` to labels, `compress` to a teacher. How many processes and on what
they train is `processes`' concern, and what a checkpoint holds is `checkpoints`'.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypedDict

from torch import nn

from edgewright.base.progress import OnProgress
from edgewright.errors import BadDataError
from edgewright.models import checkpoints as files
from edgewright.models.checkpoints import Checkpoints
from edgewright.models.compute_device import device_of
from edgewright.models.processes import Processes
from edgewright.models.schedule import Loss, Schedule, Trained
from edgewright.models.training_run import TrainingRun


class TrainingOptions(TypedDict, total=False):
    """What may be left out of a call of `train`, which says what each of these is; for those who pass it on."""

    on_progress: OnProgress | None
    validate: Callable[[], float] | None
    checkpoints: Path | None
    checkpoint_seconds: float
    key: str
    trackers: Sequence[str]
    tracker_folder: Path | None


def train(
    model: nn.Module,
    lengths: Sequence[int],
    loss_of: Loss,
    schedule: Schedule,
    *,
    setting: str,
    on_progress: OnProgress | None = None,
    validate: Callable[[], float] | None = None,
    checkpoints: Path | None = None,
    checkpoint_seconds: float = 60.0,
    key: str = "",
    trackers: Sequence[str] = (),
    tracker_folder: Path | None = None,
    on_share: Callable[[float], None] | None = None,
) -> Trained:
    """AdamW on `loss_of(indexes)` over examples of these `lengths` (tokens of a text).

    `on_progress` hears (share done, loss); `on_share` the share done before each step, for a loss that goes by it.

    The model moves to the GPU, where there is one, for as long as it trains; `loss_of` finds it by `device_of`. Under
    `accelerate launch` each process takes its share of the batches, a batch each a step, and gradients are averaged
    over examples: `loss_of` is a mean over its batch. All processes end with the same weights.

    `validate` scores the model, higher being better; the best weights are those it ends with. With a folder for
    `checkpoints`, which all machines must see, a training that was ended goes on where it was, to the same weights,
    when started again with the same model, lengths, schedule and `key` (for what those do not tell: the data's hash).
    `trackers` ("tensorboard", "wandb", "mlflow") log into `tracker_folder`.

    Raises `TrainingError` when the loss or a weight is no longer a number, naming the step, the rate, the recipe's
    `setting` that lowers it, and the last good state, which is put back into the model; `TrainingLimitError` when this
    run has taken longer than the schedule's limit, after a checkpoint from which the next one goes on.
    """
    if not lengths:
        raise BadDataError("there is no text to train on; add rows to the train split or give data.extra_text")
    processes = Processes(trackers, tracker_folder)
    kept = None
    if checkpoints is not None:
        setup = (schedule.work, validate is not None, processes.count, processes.device.type, key)
        kept = Checkpoints(checkpoints, files.fingerprint(model, lengths, *setup), checkpoint_seconds)
    home = device_of(model)
    model.to(processes.device).train()
    try:
        run = TrainingRun(
            model, lengths, loss_of, schedule, processes, kept, validate, on_progress, setting, on_share=on_share
        )
        return run.through()
    finally:
        processes.finish()
        model.to(home).eval()
