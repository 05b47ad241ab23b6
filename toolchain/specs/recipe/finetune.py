"""The section [stages.finetune]: fitting the teacher to the task's answers."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from edgewright.specs.recipe.section import Amount, Count, Section


class Finetune(Section):
    """Fitting the teacher to the labels or values.

    A model that comes with classes for them is taken as it is, unless it is to be fitted `again`. With `patience`
    training ends after so many epochs without a better score on the validation part, and the best epoch's weights are
    kept. A batch is of so many tokens, or images. With `augment` so many moved copies of each image are learned, too.
    `minutes` is no measure of how much is trained, but a limit: a fitting that takes longer is given up with an error,
    and the same command goes on from its checkpoint.
    """

    again: bool = False
    epochs: Count = 3
    minutes: Amount | None = None
    learning_rate: Amount = 5e-5
    batch_tokens: Count = 4096
    batch_images: Count = 64
    augment: Annotated[int, Field(ge=0, le=100)] = 0
    patience: Count | None = None
    seed: int = 0
