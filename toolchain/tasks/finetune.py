"""Fit a teacher to labels.

In:  a text model with a class head, training texts and the index of each one's label.
Out: the model, trained in place.
"""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor
from torch.nn import functional

from toolchain.models.text import TextModel, fast_arithmetic, padded
from toolchain.models.tokenizer import Encoded
from toolchain.models.training import Schedule, Trained, train
from toolchain.recipe import Finetune


def finetune(
    model: TextModel,
    texts: Sequence[Encoded],
    labels: Sequence[int],
    settings: Finetune,
    *,
    told: Callable[[float, float], None] | None = None,
) -> Trained:
    """Cross-entropy training; `told` hears (share done, loss). Raises `TrainingError` when the loss is no number."""

    def loss_of(batch: list[int]) -> Tensor:
        ids, mask = padded([texts[index] for index in batch])
        with fast_arithmetic():
            scores = model(ids, mask).float()
        return functional.cross_entropy(scores, torch.tensor([labels[index] for index in batch]))

    schedule = Schedule(
        learning_rate=settings.learning_rate,
        batch_tokens=settings.batch_tokens,
        seed=settings.seed,
        epochs=settings.epochs,
    )
    lengths = [len(text.ids) for text in texts]
    return train(model, lengths, loss_of, schedule, setting="stages.finetune.learning_rate", told=told)
