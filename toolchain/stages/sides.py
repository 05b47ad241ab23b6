"""The two sides of a build, teacher and student: each a float model, with the examples as it takes them.

In:  the stages that made the model, and those that read the examples.
Out: a `Side`: what is exported of it, what it is asked, and what it answers.
The stages that make and judge artifacts work on sides, so that they need not know texts from images.
"""

from __future__ import annotations

import random
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from torch import Tensor, nn
from typing_extensions import override

from edgewright.models import families
from edgewright.models import image as image_models
from edgewright.models import text as text_models
from edgewright.models.image import ImageModel
from edgewright.models.inputs import ImageInputs, Inputs, TextInputs
from edgewright.models.model import TransformerModel, reading
from edgewright.runtimes.forms import Form, Given, ImageForm, TextForm
from edgewright.runtimes.subject import Subject
from edgewright.stages.images import affordable, image_sample, some_of
from edgewright.stages.plan import (
    Done,
    Plan,
    image_model_of,
    images_of,
    model_of,
    scaled,
    scaling_of,
    texts_of,
    tokenizer_of,
)
from edgewright.stages.student import training_sample
from edgewright.stages.teacher import as_scored, encoded, score_of
from edgewright.tasks import attribution
from edgewright.tasks.attribution import RestsOn
from edgewright.tasks.scores import Asked, Score

VECTORS = 16  # examples that a device is timed and checked on

Told = Callable[[int], None]
Part = Literal["test", "validation"]


class Side(ABC):
    """A float model and the examples as it takes them."""

    plan: Plan  # with the sizes that were chosen
    stage: Done  # what made the model

    @property
    @abstractmethod
    def keys(self) -> dict[str, str]:
        """What a result that depends on this side depends on."""

    @abstractmethod
    def model(self) -> Any:
        """The float model."""

    @abstractmethod
    def form(self) -> Form:
        """What an artifact of it takes; no model is read to tell."""

    @abstractmethod
    def subject(self) -> Subject:
        """What is exported."""

    @abstractmethod
    def to_run(self) -> Any:
        """A copy of the model that computes no more than its outputs need."""

    @abstractmethod
    def score(self, part: Part = "test") -> Score:
        """The judge of a held-out part."""

    @abstractmethod
    def held_out(self, part: Part = "test") -> Inputs:
        """The examples of a held-out part, in the order that its score takes outputs in."""

    @abstractmethod
    def asked(self) -> Inputs:
        """A seeded sample of what the device will be asked, of the held-out part: it is timed and checked on that."""

    @abstractmethod
    def sample(self, count: int, *, passes: int = 1) -> Inputs:
        """A seeded sample of the training examples; of large images fewer, where there are many passes over it."""

    @abstractmethod
    def outputs(self, inputs: Inputs, *, model: nn.Module | None = None, told: Told | None = None) -> Tensor:
        """What the model, or another that stands for it, says of each, `joined` as the form has it."""

    @abstractmethod
    def as_scored(self, outputs: Tensor, inputs: Inputs, score: Score) -> Tensor:
        """Outputs for a held-out part as its score takes them."""

    @abstractmethod
    def rests_on(self, inputs: Inputs, index: int, asked: Asked) -> RestsOn:
        """What the model's answer to one of the examples rests on."""

    @abstractmethod
    def given(self, inputs: Inputs) -> Given:
        """The examples as an artifact takes them."""


@dataclass(frozen=True, kw_only=True)
class TextSide(Side):
    """Texts; `tokens` is the stage that has the model's tokenizer."""

    plan: Plan
    texts: Done
    tokens: Done
    stage: Done

    @property
    @override
    def keys(self) -> dict[str, str]:
        return {"model": self.stage.key, "texts": self.texts.key, "tokens": self.tokens.key}

    @override
    def model(self) -> TransformerModel:
        return model_of(self.stage)

    @override
    def form(self) -> TextForm:
        return TextForm(
            max_length=self.plan.max_length,
            lengths=self.plan.recipe.lengths,
            tags=len(texts_of(self.texts).labels) if self.plan.task.per_token else 0,
            batch=self.plan.recipe.stages.export.batch,
        )

    @override
    def subject(self) -> Subject:
        return Subject(model=self.model(), form=self.form())

    @override
    def to_run(self) -> TransformerModel:
        return reading(self.model())

    @override
    def score(self, part: Part = "test") -> Score:
        return score_of(self.plan, self.texts, part)

    @override
    def held_out(self, part: Part = "test") -> TextInputs:
        empty = part == "validation" and not texts_of(self.texts).validation
        return self.encoded(() if empty else self.score(part).texts)

    @override
    def asked(self) -> TextInputs:
        return self.encoded(asked_texts(self.texts))

    @override
    def sample(self, count: int, *, passes: int = 1) -> TextInputs:
        return training_sample(self.plan, self.texts, self.tokens, count)

    def encoded(self, texts: Sequence[str]) -> TextInputs:
        """These texts in the model's tokens."""
        return TextInputs(encoded(self.plan, tokenizer_of(self.plan, self.tokens), texts))

    @override
    def outputs(self, inputs: Inputs, *, model: nn.Module | None = None, told: Told | None = None) -> Tensor:
        assert isinstance(inputs, TextInputs)
        asked = self.model() if model is None else model
        assert isinstance(asked, TransformerModel)
        return text_models.outputs(asked, inputs.rows, told=told)

    @override
    def as_scored(self, outputs: Tensor, inputs: Inputs, score: Score) -> Tensor:
        assert isinstance(inputs, TextInputs)
        return as_scored(self.plan, outputs, inputs.rows, score)

    @override
    def rests_on(self, inputs: Inputs, index: int, asked: Asked) -> RestsOn:
        assert isinstance(inputs, TextInputs)
        return attribution.of_words(self.model(), tokenizer_of(self.plan, self.tokens), inputs, index, asked)

    @override
    def given(self, inputs: Inputs) -> Given:
        assert isinstance(inputs, TextInputs)
        return [row.ids for row in inputs.rows]


@dataclass(frozen=True, kw_only=True)
class ImageSide(Side):
    """Images; `teacher` is the stage that says how they are scaled, for every model alike."""

    plan: Plan
    images: Done
    teacher: Done
    stage: Done

    @property
    @override
    def keys(self) -> dict[str, str]:
        return {"model": self.stage.key, "images": self.images.key}

    @override
    def model(self) -> ImageModel:
        return image_model_of(self.plan, self.stage)

    @override
    def form(self) -> ImageForm:
        scaling = scaling_of(self.teacher)
        return ImageForm(
            height=scaling.height,
            width=scaling.width,
            channels=scaling.channels,
            batch=self.plan.recipe.stages.export.batch,
        )

    @override
    def subject(self) -> Subject:
        return Subject(model=self.model(), form=self.form(), scaling=scaling_of(self.teacher))

    @override
    def to_run(self) -> ImageModel:
        ready: ImageModel = families.to_run(self.model())
        return ready

    @override
    def score(self, part: Part = "test") -> Score:
        return self.plan.task.score(images_of(self.images), part)

    @override
    def held_out(self, part: Part = "test") -> ImageInputs:
        images = images_of(self.images)
        return scaled((images.test if part == "test" else images.validation).pixels, scaling_of(self.teacher))

    @override
    def asked(self) -> ImageInputs:
        return scaled(some_of(images_of(self.images).test.pixels, VECTORS), scaling_of(self.teacher))

    @override
    def sample(self, count: int, *, passes: int = 1) -> ImageInputs:
        afforded = affordable(count, self.stage.findings, passes=passes)
        return image_sample(self.images, scaling_of(self.teacher), afforded)

    @override
    def outputs(self, inputs: Inputs, *, model: nn.Module | None = None, told: Told | None = None) -> Tensor:
        return image_models.outputs(self.model() if model is None else model, inputs, told=told)

    @override
    def as_scored(self, outputs: Tensor, inputs: Inputs, score: Score) -> Tensor:
        return outputs

    @override
    def rests_on(self, inputs: Inputs, index: int, asked: Asked) -> RestsOn:
        assert isinstance(inputs, ImageInputs)
        return attribution.of_places(self.model(), inputs, index, asked)

    @override
    def given(self, inputs: Inputs) -> Given:
        assert isinstance(inputs, ImageInputs)
        pixels: NDArray[np.uint8] = inputs.pixels.numpy()
        return pixels


def asked_texts(texts: Done) -> list[str]:
    """A seeded sample of what the device will be asked, of the held-out texts."""
    asked = sorted({row.text for row in texts_of(texts).test})
    return random.Random(0).sample(asked, min(VECTORS, len(asked)))
