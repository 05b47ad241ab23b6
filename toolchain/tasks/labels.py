"""What labels ask of a head, whether they are of texts, of images or of words."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, TypeVar

import numpy as np

from edgewright.tasks.task import Document, Question, Table, Task, rows_in

if TYPE_CHECKING:
    from torch import Tensor

Examples = TypeVar("Examples", contravariant=True)


class LabelTask(Task[Examples]):
    """One of several labels; a subclass says of what."""

    has_labels = True

    def outputs(self, labels: Sequence[str]) -> int:
        """One score a class."""
        return len(labels)

    def loss(self, output: Tensor, targets: Tensor) -> Tensor:
        """Cross-entropy."""
        from torch.nn import functional

        return functional.cross_entropy(output, targets)

    def imitation(self, output: Tensor, teacher_output: Tensor, *, temperature: float = 1.0) -> Tensor:
        """The divergence of softened classes, times the temperature's square (Hinton et al. 2015).

        Its mean over rows, be they examples or tokens.
        """
        from torch.nn import functional

        student = functional.log_softmax(output.flatten(0, -2) / temperature, dim=-1)
        teacher = functional.softmax(teacher_output.flatten(0, -2) / temperature, dim=-1)
        return functional.kl_div(student, teacher, reduction="batchmean") * temperature**2

    def answer(self, output: Sequence[float], question: Question) -> Document:
        """The labels with their probabilities, most likely first."""
        return {"kind": "classification", "labels": likeliest(question.labels, output)[: question.top]}

    def answer_table(self, answer: Document) -> Table:
        """A label a row."""
        return ("score", "label"), [(row["score"], row["label"]) for row in rows_in(answer, "labels")]


def likeliest(labels: Sequence[str], scores: Sequence[float]) -> list[Document]:
    """Softmax of the class scores, most likely first."""
    exponents = np.exp(np.asarray(scores) - np.max(scores))
    shares = exponents / exponents.sum()
    return [{"label": labels[index], "score": float(shares[index])} for index in np.argsort(-shares, kind="stable")]
