"""The section [stages.finetune]: fitting the teacher to the task's answers."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from edgewright.specs.recipe.section import Amount, Count, Section, setting


class Finetune(Section):
    """Fitting the teacher to the labels or values; one that comes fitted to them is taken as it is."""

    refit: bool = setting(
        False,
        "Fit the teacher even where it comes fitted to these labels.",
        costs="a training",
        names=("refit", "again"),
    )
    epochs: Count = setting(
        3,
        "How often the training examples are gone through.",
        unit="passes",
        costs="time, in proportion",
    )
    minutes: Amount | None = setting(
        None,
        "A limit, not a measure of how much is trained: what takes longer ends in an error, and the same command "
        "goes on from its checkpoint.",
        unit="minutes",
    )
    learning_rate: Amount = setting(5e-5, "The highest learning rate of the schedule.", unit="a step")
    batch_tokens: Count = setting(4096, "The size of a batch of texts.", unit="tokens", costs="memory, in proportion")
    batch_images: Count = setting(64, "The size of a batch of images.", unit="images", costs="memory, in proportion")
    augment: Annotated[int, Field(ge=0, le=100)] = setting(
        0, "How many moved copies of each image are learned, too.", unit="copies", costs="time, in proportion"
    )
    patience: Count | None = setting(
        None,
        "End after so many epochs without a better score on the validation part, and keep the best epoch's weights.",
        unit="epochs",
    )
    seed: int = setting(0, "What random numbers start from.", unit="any")
