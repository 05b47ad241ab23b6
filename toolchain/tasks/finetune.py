"""Fit a teacher to labels, tags or values.

In:  a model with a head for its task, training examples as it takes them, and what it is to say of each.
Out: the model, trained in place.
"""

from collections.abc import Callable, Sequence
from pathlib import Path

from torch import Tensor, nn

from edgewright.errors import BadDataError
from edgewright.models.inputs import Inputs, batch_for
from edgewright.models.schedule import Schedule, Trained
from edgewright.models.text import fast_arithmetic
from edgewright.models.training import train
from edgewright.specs.recipe import Finetune
from edgewright.tasks.task import AnyTask


def finetune(
    model: nn.Module,
    inputs: Inputs,
    targets: Sequence[Tensor],
    task: AnyTask,
    settings: Finetune,
    *,
    validate: Callable[[], float] | None = None,
    on_progress: Callable[[float, float], None] | None = None,
    checkpoints: Path | None = None,
    key: str = "",
) -> Trained:
    """Train by the task's loss; `targets` is what `task.targets` makes of the labels, one for each example.

    Those of texts go through `task.aligned` first. Fewer examples than a batch holds make one smaller
    batch. With `validate`, a score that is better when higher, the weights of the best epoch are those it ends with.
    `on_progress` hears (share done, loss). With a folder for `checkpoints` a fitting that was ended goes on
    where it was, as `train` says of its `key`. Raises `TrainingError` when the loss is no number, `TrainingLimitError`
    when it takes longer than the settings allow.
    """
    if len(targets) != len(inputs):
        raise BadDataError(f"there are {len(inputs)} examples, but {len(targets)} targets; give one for each")

    def loss_of(indexes: list[int]) -> Tensor:
        with fast_arithmetic():
            output = model(*batch_for(model, inputs, indexes)).float()
        wanted = [targets[index] for index in indexes]
        return task.loss(output, task.batch(wanted).to(output.device))

    schedule = Schedule(
        learning_rate=settings.learning_rate,
        batch_tokens=settings.batch_tokens,
        seed=settings.seed,
        epochs=settings.epochs,
        patience=settings.patience,
        limit_s=settings.minutes * 60 if settings.minutes else None,
    )
    return train(
        model,
        inputs.sizes,
        loss_of,
        schedule,
        setting="stages.finetune.learning_rate",
        validate=validate,
        on_progress=on_progress,
        checkpoints=checkpoints,
        key=key,
    )
