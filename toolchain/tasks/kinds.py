"""What each kind of task asks of a model: its outputs, its loss, how a teacher is imitated, and its score.

In:  a recipe's `task.kind`; examples in their parts, as `data` reads them.
Out: a `Task`: targets, losses, a `Score`, and a `Baseline` without a network.
Training itself is `models.training`'s; the numbers a score is made of are `scores`'.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from edgewright.errors import BadDataError, InputError
from edgewright.modality.tokenizer import Encoded, first_places
from edgewright.tasks import baselines
from edgewright.tasks.baselines import Baseline
from edgewright.tasks.scores import LabelScore, Scale, Score, SearchScore, TagScore, ValueScore, places_of

IGNORED = -100  # the target of a piece that speaks for no word; PyTorch's own number for it


class TextExample(Protocol):
    """A text, and what its task asks of it; the others are None."""

    @property
    def text(self) -> str: ...  # noqa: D102
    @property
    def pair(self) -> str | None: ...  # noqa: D102
    @property
    def label(self) -> str | None: ...  # noqa: D102
    @property
    def value(self) -> float | None: ...  # noqa: D102
    @property
    def tags(self) -> tuple[str, ...] | None: ...  # noqa: D102


class TextExamples(Protocol):
    """The parts of a task's texts, and its labels in the order of the model's classes."""

    @property
    def train(self) -> Sequence[TextExample]: ...  # noqa: D102
    @property
    def validation(self) -> Sequence[TextExample]: ...  # noqa: D102
    @property
    def test(self) -> Sequence[TextExample]: ...  # noqa: D102
    @property
    def labels(self) -> tuple[str, ...]: ...  # noqa: D102


class ImagePart(Protocol):
    """Images (n, height, width, channels) and a label each."""

    @property
    def pixels(self) -> NDArray[np.uint8]: ...  # noqa: D102
    @property
    def labels(self) -> tuple[str, ...]: ...  # noqa: D102


class ImageExamples(Protocol):
    """The parts of a task's images, and its labels in the order of the model's classes."""

    @property
    def train(self) -> ImagePart: ...  # noqa: D102
    @property
    def validation(self) -> ImagePart: ...  # noqa: D102
    @property
    def test(self) -> ImagePart: ...  # noqa: D102
    @property
    def labels(self) -> tuple[str, ...]: ...  # noqa: D102


Examples = TypeVar("Examples", contravariant=True)


class Task(Protocol[Examples]):
    """One kind of task. Outputs are (batch, outputs), or (batch, tokens, outputs) where `per_token`."""

    @property
    def per_token(self) -> bool:
        """Whether each token has an output of its own."""

    def outputs(self, labels: Sequence[str]) -> int:
        """How many numbers the head says; 0 for an embedding, which has its model's width."""

    def loss(self, output: Tensor, targets: Tensor) -> Tensor:
        """How wrong outputs (batch, …) are, with labels at hand."""

    def imitation(self, output: Tensor, teacher_output: Tensor, *, temperature: float = 1.0) -> Tensor:
        """How far outputs are from a teacher's, without labels; of tokens, (tokens, outputs) without padding."""

    def targets(self, examples: Examples) -> Sequence[Tensor]:
        """What `loss` compares the training part's outputs with, one for each; of tags, one for each word.

        Raises `BadDataError` for an answer outside the configured labels, or a value that is no finite number.
        """

    def score(self, examples: Examples, part: str = "test") -> Score:
        """The judge of a part: "test" or "validation". Raises `BadDataError` where it cannot be judged."""

    def baseline(self, examples: Examples, score: Score) -> Baseline:
        """What a method without a network, fitted to the training part, achieves on the part of the score."""


class Embedding:
    """Texts that belong together lie together; no labels are needed."""

    per_token = False

    def outputs(self, labels: Sequence[str]) -> int:
        """An embedding has its model's width."""
        return 0

    def loss(self, output: Tensor, targets: Tensor) -> Tensor:
        """Refuses: a sentence embedding is used as it came."""
        raise InputError("an embedding teacher is used as it is; remove stages.finetune")

    def imitation(self, output: Tensor, teacher_output: Tensor, *, temperature: float = 1.0) -> Tensor:
        """1 − cosine, its mean; there is nothing for a temperature to soften."""
        return (1.0 - functional.cosine_similarity(output, teacher_output, dim=-1)).mean()

    def targets(self, examples: TextExamples) -> Sequence[Tensor]:
        """None."""
        return []

    def score(self, examples: TextExamples, part: str = "test") -> Score:
        """Finding each text's pair."""
        rows = _rows(examples, part)
        return SearchScore([row.text for row in rows], [str(row.pair) for row in rows])

    def baseline(self, examples: TextExamples, score: Score) -> Baseline:
        """TF-IDF."""
        assert isinstance(score, SearchScore)
        return baselines.search_baseline(score)


class _WithLabels:
    """What labels ask of a head, be they of texts, of images or of words."""

    per_token = False

    def outputs(self, labels: Sequence[str]) -> int:
        """One score a class."""
        return len(labels)

    def loss(self, output: Tensor, targets: Tensor) -> Tensor:
        """Cross-entropy."""
        return functional.cross_entropy(output, targets)

    def imitation(self, output: Tensor, teacher_output: Tensor, *, temperature: float = 1.0) -> Tensor:
        """The divergence of softened classes, times the temperature's square (Hinton et al. 2015).

        Its mean over rows, be they examples or tokens.
        """
        found = functional.log_softmax(output.flatten(0, -2) / temperature, dim=-1)
        wanted = functional.softmax(teacher_output.flatten(0, -2) / temperature, dim=-1)
        return functional.kl_div(found, wanted, reduction="batchmean") * temperature**2


class Classification(_WithLabels):
    """One of several classes for each text."""

    def targets(self, examples: TextExamples) -> Sequence[Tensor]:
        """The class of each."""
        return list(torch.tensor(places_of([str(row.label) for row in examples.train], examples.labels)))

    def score(self, examples: TextExamples, part: str = "test") -> Score:
        """Accuracy."""
        rows = _rows(examples, part)
        return LabelScore([str(row.label) for row in rows], examples.labels, texts=[row.text for row in rows])

    def baseline(self, examples: TextExamples, score: Score) -> Baseline:
        """Logistic regression on TF-IDF vectors."""
        assert isinstance(score, LabelScore)
        labels = [str(row.label) for row in examples.train]
        return baselines.label_baseline([row.text for row in examples.train], labels, score)


class ImageClassification(_WithLabels):
    """One of several classes for each image."""

    def targets(self, examples: ImageExamples) -> Sequence[Tensor]:
        """The class of each."""
        return list(torch.tensor(places_of(examples.train.labels, examples.labels)))

    def score(self, examples: ImageExamples, part: str = "test") -> Score:
        """Accuracy."""
        parts = {"train": examples.train, "validation": examples.validation, "test": examples.test}
        return LabelScore(parts[part].labels, examples.labels)

    def baseline(self, examples: ImageExamples, score: Score) -> Baseline:
        """Logistic regression on the pixels; the score must be the test part's."""
        assert isinstance(score, LabelScore)
        train = examples.train
        return baselines.pixel_baseline(train.pixels, train.labels, examples.test.pixels, score)


class TokenClassification(_WithLabels):
    """A tag for each word, read from its first piece; pieces that are none have the target `IGNORED`."""

    per_token = True

    def loss(self, output: Tensor, targets: Tensor) -> Tensor:
        """Cross-entropy over (…, tags), pieces without a tag left out; 0 where there are no others."""
        total = functional.cross_entropy(
            output.flatten(0, -2), targets.flatten(), ignore_index=IGNORED, reduction="sum"
        )
        return total / (targets != IGNORED).sum().clamp(min=1)

    def targets(self, examples: TextExamples) -> Sequence[Tensor]:
        """The tag of each word; `on_pieces` spreads them over a tokenizer's pieces."""
        return [
            torch.tensor(places_of(row.tags or (), examples.labels, row=number))
            for number, row in enumerate(examples.train, start=1)
        ]

    def score(self, examples: TextExamples, part: str = "test") -> Score:
        """Micro F1 of the words' tags."""
        rows = _rows(examples, part)
        return TagScore([row.tags or () for row in rows], examples.labels, texts=[row.text for row in rows])

    def baseline(self, examples: TextExamples, score: Score) -> Baseline:
        """Each word's most frequent tag."""
        assert isinstance(score, TagScore)
        tags = [row.tags or () for row in examples.train]
        return baselines.tag_baseline([row.text for row in examples.train], tags, score)


class Regression:
    """One value for each text, learned on the scale on which the training values have mean 0 and spread 1.

    So losses and learning rates do not depend on the unit; `Scale.restored` gives the value back.
    """

    per_token = False

    def outputs(self, labels: Sequence[str]) -> int:
        """One."""
        return 1

    def loss(self, output: Tensor, targets: Tensor) -> Tensor:
        """Mean squared error of standardised values."""
        return functional.mse_loss(output.flatten(), targets.flatten())

    def imitation(self, output: Tensor, teacher_output: Tensor, *, temperature: float = 1.0) -> Tensor:
        """Mean squared error; there is nothing for a temperature to soften."""
        return functional.mse_loss(output.flatten(), teacher_output.flatten())

    def scale(self, examples: TextExamples) -> Scale:
        """How the training values become outputs; to be kept beside the model."""
        return Scale.of(_values(examples.train).tolist())

    def targets(self, examples: TextExamples) -> Sequence[Tensor]:
        """Standardised values."""
        return list(self.scale(examples).standardised(_values(examples.train)).float())

    def score(self, examples: TextExamples, part: str = "test") -> Score:
        """Rank correlation."""
        rows = _rows(examples, part)
        values = tuple(_values(rows).tolist())
        return ValueScore(values=values, texts=tuple(row.text for row in rows), scale=self.scale(examples))

    def baseline(self, examples: TextExamples, score: Score) -> Baseline:
        """Ridge regression on TF-IDF vectors."""
        assert isinstance(score, ValueScore)
        texts = [row.text for row in examples.train]
        return baselines.value_baseline(texts, _values(examples.train).tolist(), score)


TASKS: Mapping[str, Task[Any]] = {
    "embedding": Embedding(),
    "classification": Classification(),
    "token-classification": TokenClassification(),
    "regression": Regression(),
    "image-classification": ImageClassification(),
}


def task_of(kind: str) -> Task[Any]:
    """The task of this kind."""
    return TASKS[kind]


def on_pieces(targets: Sequence[Tensor], rows: Sequence[Encoded]) -> list[Tensor]:
    """Targets of each text's words → of its tokens, where the first piece of a word has its target.

    All other tokens, special ones and later pieces, are `IGNORED`. The rows are those of `encode_words`.
    """
    spread = []
    for number, (own, row) in enumerate(zip(targets, rows, strict=True), start=1):
        places = first_places(row)
        if places and max(places) >= len(own):
            raise BadDataError(
                f"row {number} has {max(places) + 1} words or more, but {len(own)} tags; give each word one"
            )
        pieces = torch.full((len(row.ids),), IGNORED)
        pieces[list(places.values())] = own[list(places)]
        spread.append(pieces)
    return spread


def _rows(examples: TextExamples, part: str) -> Sequence[TextExample]:
    return {"train": examples.train, "validation": examples.validation, "test": examples.test}[part]


def _values(rows: Sequence[TextExample]) -> Tensor:
    """The rows' values in float64."""
    numbers = torch.tensor([torch.nan if row.value is None else row.value for row in rows], dtype=torch.float64)
    wrong = (~numbers.isfinite()).nonzero().flatten().tolist()
    if wrong:
        raise BadDataError(
            f"row {wrong[0] + 1} has the value {rows[wrong[0]].value}; values must be finite numbers: correct the row"
        )
    return numbers
