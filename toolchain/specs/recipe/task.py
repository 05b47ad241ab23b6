"""The section [task]: what the model is for."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field

from edgewright.specs.recipe.section import LEAST_LENGTH, Section, Text, each_once

TaskKind = Literal["embedding", "classification", "token-classification", "regression", "image-classification"]
BUILTIN_DATA: Mapping[str, TaskKind] = {
    "stdlib-search": "embedding",
    "stdlib-packages": "classification",
    "stdlib-parameters": "token-classification",
    "digits": "image-classification",
}
# What each kind reads of a file; it must be named where it has no default.
COLUMNS: Mapping[str, tuple[str, ...]] = {
    "embedding": ("text", "pair"),
    "classification": ("text", "label"),
    "token-classification": ("words", "tags"),
    "regression": ("text", "value"),
    "image-classification": ("image", "label"),
}
NEEDED_COLUMN: Mapping[str, str] = {"embedding": "pair", "classification": "label", "regression": "value"}
IMAGES = "image-classification"
TEXTS = ("embedding", "classification", "token-classification", "regression")
FITTED = (*TEXTS[1:], IMAGES)  # those whose teacher is fitted to answers
# The settings of stages that not every kind of task reads, and the kinds that do; the others refuse them.
READ_BY: Mapping[str, tuple[str, ...]] = {
    "finetune": FITTED,
    "finetune.batch_tokens": TEXTS[1:],
    "finetune.batch_images": (IMAGES,),
    "finetune.augment": (IMAGES,),
    "vocabulary": TEXTS,
    "prune.speedup": TEXTS,
    "prune.prices": TEXTS,
    "low_rank.token_rank": TEXTS,
    "low_rank.token_exponent": TEXTS,
    "distill.projection": TEXTS[:1],
    "distill.max_length": TEXTS,
    "distill.rest": TEXTS,
    "distill.tokens": TEXTS,
    "distill.batch_tokens": TEXTS,
    "distill.batch_images": (IMAGES,),
    "distill.temperature": ("classification", "token-classification", IMAGES),
    "distill.intermediate_weight": TEXTS,
    "distill.relation_weight": TEXTS,
    "distill.similarity_weight": TEXTS[:1],
    "distill.pair_weight": TEXTS[:1],
    "distill.finish": TEXTS,
    "distill.finish.similarity_weight": TEXTS[:1],
    "distill.finish.pair_weight": TEXTS[:1],
    "export.lengths": TEXTS,
}
WITH_LABELS = ("classification", "token-classification", "image-classification")


WITH_LABELS = ("classification", "token-classification", "image-classification")


LARGEST_IMAGE_SIDE = 4096


def _image_size(value: Any) -> tuple[int, int] | None:
    sides = value if isinstance(value, list | tuple) else (value, value)
    if value is None:
        return None
    if len(sides) == 2 and all(type(side) is int and 0 < side <= LARGEST_IMAGE_SIDE for side in sides):
        return (sides[0], sides[1])
    raise ValueError(f"must be a side in pixels from 1 to {LARGEST_IMAGE_SIDE}, or [height, width], not {value!r}")


ImageSize = Annotated[tuple[int, int] | None, BeforeValidator(_image_size)]


class TaskSettings(Section):
    """What the model is for; longer texts are cut at `max_length` tokens.

    `labels` are all that the data may hold, in the order of the model's classes; those of the train part, sorted,
    where none are given. Images are resized to `image_size`, (height, width) in pixels.
    """

    kind: TaskKind
    max_length: Annotated[int, Field(ge=LEAST_LENGTH, le=512)] = 128
    labels: Annotated[tuple[Text, ...], AfterValidator(each_once)] = ()
    image_size: ImageSize = None
