"""The section [stages.distill]: training the student on the teacher's outputs."""

from __future__ import annotations

from typing import Annotated, Literal, TypeVar

from pydantic import AfterValidator, BaseModel, BeforeValidator, Field, model_validator

from edgewright.specs.recipe.section import LEAST_LENGTH, Amount, Count, Section, Weight, as_tuple, each_once

Tracker = Literal["tensorboard", "wandb", "mlflow"]


NO_END = {"epochs": None, "train_tokens": None, "train_images": None, "minutes": None}
Ending = TypeVar("Ending", bound=BaseModel)


def with_an_end(section: Ending) -> Ending:
    """Refuse a training that nothing ends but a clock, on which its result would depend."""
    ends = [name for name in NO_END if name in type(section).model_fields and name != "minutes"]
    if all(getattr(section, name) is None for name in ends):
        limit = "; minutes is a limit alone" if getattr(section, "minutes", None) is not None else ""
        raise ValueError(f"needs {' or '.join(ends)}, to know when to end{limit}")
    return section


class Finish(Section):
    """A short last lesson: by default of whole texts, after a long one of texts that were cut, which go faster.

    Training on short texts first and on long ones last is how BERT was made (Devlin et al. 2018). It ends after so many
    `epochs`, or tokens of training (`train_tokens`), whichever comes first; `minutes` is a limit that ends in an error.
    A rate or a weight that is not given is that of the lesson before; without `tokens` all training text is read.
    Texts are never longer than the task's.
    """

    epochs: Count | None = None
    train_tokens: Count | None = None
    minutes: Amount | None = None
    max_length: Annotated[int, Field(ge=LEAST_LENGTH, le=512)] = 512
    tokens: Count | None = None
    learning_rate: Amount | None = None
    output_weight: Weight | None = None
    hidden_weight: Weight | None = None
    intermediate_weight: Weight | None = None
    relation_weight: Weight | None = None
    similarity_weight: Weight | None = None
    pair_weight: Weight | None = None

    @model_validator(mode="after")
    def _ends_some_time(self) -> Finish:
        return with_an_end(self)


class Distill(Section):
    """Distillation: the student is trained on the teacher's outputs.

    It ends after so many `epochs`, or tokens of training in all (`train_tokens`, as the student reads them; of images
    `train_images`), whichever comes first: the same student on every machine. Where none of them is given it is as
    much as a quiet machine of two cores computes in about five minutes, and at most a hundred epochs. `minutes` does
    not say how much is trained; it is a limit, and a training that takes longer is given up with an error, from whose
    checkpoint the same command goes on.

    `tokens` limits the training text of one epoch; a text longer than `max_length` tokens is cut there, and what is
    left of it is taught as further texts where `rest` says so: the teacher needs longer, and an epoch has more to tell
    of. With `augment` the teacher is asked so many altered copies of each text of the training part too (pieces of it,
    thinned, or joined to another's; of an image moved ones): of a few thousand texts alone a student learns the answers
    by heart. A batch is of so many tokens, or images. The weights say how much each part of the loss counts: the
    teacher's outputs (classes softened by `temperature`), its last hidden vectors, the intermediate ones that enter the
    layers which stay, the relations in its last attention, the similarities of its embeddings, and, where the data has
    pairs, finding a text's partner. At a `pair_weight` of 0 the student learns from the teacher alone. `fresh` starts
    from random numbers instead of what pruning left. `projection` puts a square matrix behind an embedding's pooled
    vectors, to turn them to the teacher's: it takes as many bytes as the width squared, and next to no time. With
    `patience` training ends after so many epochs without a better score on the validation part. `finish` adds a lesson.
    """

    enabled: bool = True
    fresh: bool = False
    projection: bool = False
    max_length: Annotated[int, Field(ge=LEAST_LENGTH, le=512)] = 64
    rest: bool = False
    augment: Annotated[int, Field(ge=0, le=100)] = 0
    epochs: Count | None = None
    train_tokens: Count | None = None
    train_images: Count | None = None
    minutes: Amount | None = None
    tokens: Count | None = None
    learning_rate: Amount = 5e-4
    batch_tokens: Count = 4096
    batch_images: Count = 64
    temperature: Amount = 2.0
    output_weight: Weight = 10.0
    hidden_weight: Weight = 3.0
    intermediate_weight: Weight = 0.0
    relation_weight: Weight = 0.0
    similarity_weight: Weight = 1.0
    pair_weight: Weight = 1.0
    patience: Count | None = None
    trackers: Annotated[tuple[Tracker, ...], BeforeValidator(as_tuple), AfterValidator(each_once)] = ()
    seed: int = 0
    finish: Finish | None = None

    @property
    def lessons(self) -> tuple[Distill, ...]:
        """One after another, none of which has a `finish`."""
        first = self.model_copy(update={"finish": None})
        if self.finish is None or not self.enabled:
            return (first,)
        own = {**NO_END, "tokens": None, "fresh": False, **self.finish.model_dump(exclude_none=True)}
        return first, first.model_copy(update=own)

    @model_validator(mode="after")
    def _minutes_are_a_limit(self) -> Distill:
        return self if self.minutes is None else with_an_end(self)
