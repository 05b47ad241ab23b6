"""The task `regression`: one value for each text."""

from __future__ import annotations

from collections.abc import Sequence
from types import MappingProxyType
from typing import TYPE_CHECKING

from edgewright.errors import BadDataError
from edgewright.tasks.examples import TextExample, TextExamples, part_of
from edgewright.tasks.task import FITTED_TEXTS, OF_TEXTS, Document, Question, Table, Task

if TYPE_CHECKING:
    from torch import Tensor

    from edgewright.tasks.baselines import Baseline
    from edgewright.tasks.scores import Scale, Score


class Regression(Task[TextExamples]):
    """One value for each text, learned on the scale on which the training values have mean 0 and spread 1.

    So losses and learning rates do not depend on the unit; `Scale.restored` gives the value back.
    """

    columns = ("text", "value")
    needed_column = "value"
    standardised = True
    settings = OF_TEXTS | FITTED_TEXTS
    reasons = MappingProxyType(
        {
            "distill.projection": "its head has a matrix of its own",
            "distill.temperature": "there are no classes for it to soften",
        }
    )
    head = "value"

    def outputs(self, labels: Sequence[str]) -> int:
        """One."""
        return 1

    def loss(self, output: Tensor, targets: Tensor) -> Tensor:
        """Mean squared error of standardised values."""
        from torch.nn import functional

        return functional.mse_loss(output.flatten(), targets.flatten())

    def imitation(self, output: Tensor, teacher_output: Tensor, *, temperature: float = 1.0) -> Tensor:
        """Mean squared error; there is nothing for a temperature to soften."""
        from torch.nn import functional

        return functional.mse_loss(output.flatten(), teacher_output.flatten())

    def scale(self, examples: TextExamples) -> Scale:
        """That of the training values."""
        from edgewright.tasks.scores import Scale

        return Scale.of(_values(examples.train).tolist())

    def targets(self, examples: TextExamples) -> Sequence[Tensor]:
        """Standardised values."""
        return list(self.scale(examples).standardised(_values(examples.train)).float())

    def score(self, examples: TextExamples, part: str = "test") -> Score:
        """Rank correlation."""
        from edgewright.tasks.scores import ValueScore

        rows = part_of(examples, part)
        values = tuple(_values(rows).tolist())
        return ValueScore(values=values, texts=tuple(row.text for row in rows), scale=self.scale(examples))

    def baseline(self, examples: TextExamples, score: Score) -> Baseline:
        """Ridge regression on TF-IDF vectors."""
        from edgewright.tasks.baselines import value_baseline
        from edgewright.tasks.scores import ValueScore

        assert isinstance(score, ValueScore)
        texts = [row.text for row in examples.train]
        return value_baseline(texts, _values(examples.train).tolist(), score)

    def answer(self, output: Sequence[float], question: Question) -> Document:
        """The value in its own unit."""
        return {"kind": "regression", "value": output[0] * question.value_std + question.value_mean}

    def answer_table(self, answer: Document) -> Table:
        """The bare value."""
        return (), [(answer["value"],)]


REGRESSION = Regression()


def _values(rows: Sequence[TextExample]) -> Tensor:
    """The rows' values in float64."""
    import torch

    numbers = torch.tensor([torch.nan if row.value is None else row.value for row in rows], dtype=torch.float64)
    wrong = (~numbers.isfinite()).nonzero().flatten().tolist()
    if wrong:
        raise BadDataError(
            f"row {wrong[0] + 1} has the value {rows[wrong[0]].value}; values must be finite numbers: correct the row"
        )
    return numbers
