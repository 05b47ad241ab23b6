"""The section [stages.distill]: training the student on the teacher's outputs."""

from __future__ import annotations

from typing import Annotated, Literal, TypeVar

from pydantic import AfterValidator, BaseModel, BeforeValidator, Field, model_validator

from edgewright.specs.recipe.section import (
    LEAST_LENGTH,
    Amount,
    Count,
    Default,
    Section,
    Weight,
    as_tuple,
    each_once,
    setting,
)

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


_LOSSES = {
    "output": ("the teacher's outputs; labels are softened by the temperature", "Hinton et al. 2015"),
    "hidden": ("the teacher's last hidden vectors", "Jiao et al. 2020, TinyBERT"),
    "intermediate": ("the hidden vectors that enter the layers which stay", "Jiao et al. 2020, TinyBERT"),
    "relation": ("the relations in the teacher's last attention", "Wang et al. 2021, MiniLMv2"),
    "similarity": ("the similarities among the teacher's embeddings", "Park et al. 2019"),
    "pair": (
        "finding a text's partner, where the data has pairs; 0 learns from the teacher alone",
        "van den Oord et al. 2018, InfoNCE",
    ),
}
"""Each part of the loss by its setting `*_weight`: what it is, and where it comes from."""


def _loss_weight(part: str, default: Default) -> Default:
    """The setting of a part's weight; without a `default` it is that of the phase before."""
    what, source = _LOSSES[part]
    unset = "; as in the phase before where none is given" if default is None else ""
    return setting(default, f"How much this part of the loss counts: {what}{unset}.", unit="weight", source=source)


class FinalPhase(Section):
    """A short last training phase; what is not given here is as in the phase before (Devlin et al. 2018, BERT)."""

    epochs: Count | None = setting(
        None,
        "How often the training text or images are gone through; the first of these ends that is reached counts.",
        unit="passes",
        costs="time, in proportion",
    )
    train_tokens: Count | None = setting(
        None, "How much text is trained on in all, as the student reads it.", unit="tokens", costs="time, in proportion"
    )
    minutes: Amount | None = setting(
        None,
        "A limit, not a measure of how much is trained: what takes longer ends in an error, and the same command "
        "goes on from its checkpoint.",
        unit="minutes",
    )
    max_length: Annotated[int, Field(ge=LEAST_LENGTH, le=512)] = setting(
        512, "Where a text is cut; never later than the task's own limit.", unit="tokens", costs="memory and time"
    )
    tokens: Count | None = setting(None, "How much text is read in one epoch; all where none is given.", unit="tokens")
    learning_rate: Amount | None = setting(
        None, "The highest learning rate of the schedule; that of the phase before where none is given.", unit="a step"
    )
    output_weight: Weight | None = _loss_weight("output", None)
    hidden_weight: Weight | None = _loss_weight("hidden", None)
    intermediate_weight: Weight | None = _loss_weight("intermediate", None)
    relation_weight: Weight | None = _loss_weight("relation", None)
    similarity_weight: Weight | None = _loss_weight("similarity", None)
    pair_weight: Weight | None = _loss_weight("pair", None)

    @model_validator(mode="after")
    def _ends_some_time(self) -> FinalPhase:
        return with_an_end(self)


class Distill(Section):
    """Distillation: the student is trained on the teacher's outputs.

    How much is trained is said by `epochs`, `train_tokens` or `train_images`, whichever is reached first: the same
    student on every machine. Where none is given it is as much as two quiet cores compute in about five minutes, and at
    most a hundred epochs.
    """

    enabled: bool = setting(True, "Train the student on the teacher's outputs.")
    from_scratch: bool = setting(
        False, "Start from random numbers instead of what pruning left.", costs="score", names=("from_scratch", "fresh")
    )
    projection: bool = setting(
        False,
        "Put a square matrix behind an embedding's pooled vectors, to turn them to the teacher's.",
        costs="as many bytes as the width squared",
    )
    max_length: Annotated[int, Field(ge=LEAST_LENGTH, le=512)] = setting(
        64, "Where a text is cut while it is trained on.", unit="tokens", costs="memory and time"
    )
    keep_overflow: bool = setting(
        False,
        "Train on what was cut off of long texts as further texts.",
        costs="recording the teacher takes longer",
        names=("keep_overflow", "rest"),
    )
    augment: Annotated[int, Field(ge=0, le=100)] = setting(
        0,
        "How many altered copies of each training text, or moved ones of an image, are trained on, too.",
        unit="copies",
        costs="recording the teacher takes longer",
    )
    epochs: Count | None = setting(
        None,
        "How often the training text or images are gone through; the first of these ends that is reached counts.",
        unit="passes",
        costs="time, in proportion",
    )
    train_tokens: Count | None = setting(
        None, "How much text is trained on in all, as the student reads it.", unit="tokens", costs="time, in proportion"
    )
    train_images: Count | None = setting(
        None, "How many images are trained on in all.", unit="images", costs="time, in proportion"
    )
    minutes: Amount | None = setting(
        None,
        "A limit, not a measure of how much is trained: what takes longer ends in an error, and the same command "
        "goes on from its checkpoint.",
        unit="minutes",
    )
    tokens: Count | None = setting(None, "How much text is read in one epoch; all where none is given.", unit="tokens")
    learning_rate: Amount = setting(5e-4, "The highest learning rate of the schedule.", unit="a step")
    batch_tokens: Count = setting(4096, "The size of a batch of texts.", unit="tokens", costs="memory, in proportion")
    batch_images: Count = setting(64, "The size of a batch of images.", unit="images", costs="memory, in proportion")
    temperature: Amount = setting(
        2.0, "What the teacher's class scores are divided by before they are compared.", source="Hinton et al. 2015"
    )
    output_weight: Weight = _loss_weight("output", 10.0)
    hidden_weight: Weight = _loss_weight("hidden", 3.0)
    intermediate_weight: Weight = _loss_weight("intermediate", 0.0)
    relation_weight: Weight = _loss_weight("relation", 0.0)
    similarity_weight: Weight = _loss_weight("similarity", 1.0)
    pair_weight: Weight = _loss_weight("pair", 1.0)
    patience: Count | None = setting(
        None, "End after so many epochs without a better score on the validation part.", unit="epochs"
    )
    trackers: Annotated[tuple[Tracker, ...], BeforeValidator(as_tuple), AfterValidator(each_once)] = setting(
        (), "Where the course of the training is written, too."
    )
    top_k: Annotated[int, Field(ge=1, le=1024)] = setting(
        64,
        "How many of the teacher's likeliest next tokens are recorded for each token, beside what is left for all "
        "others together.",
        unit="tokens",
        costs="disk, about six bytes each",
    )
    true_token_weight: Weight = setting(
        0.3,
        "How much the token that stands in the text counts beside what the teacher says of the next one, in shares of "
        "output_weight.",
    )
    seed: int = setting(0, "What random numbers start from.", unit="any")
    final_phase: FinalPhase | None = setting(
        None,
        "A short last training phase, by default of whole texts, after a long one of texts that were cut.",
        source="Devlin et al. 2018, BERT",
        names=("final_phase", "finish"),
    )

    @property
    def phases(self) -> tuple[Distill, ...]:
        """The training phases one after another, none of which has a `final_phase`."""
        first = self.model_copy(update={"final_phase": None})
        if self.final_phase is None or not self.enabled:
            return (first,)
        own = {**NO_END, "tokens": None, "from_scratch": False, **self.final_phase.model_dump(exclude_none=True)}
        return first, first.model_copy(update=own)

    @model_validator(mode="after")
    def _minutes_are_a_limit(self) -> Distill:
        return self if self.minutes is None else with_an_end(self)
