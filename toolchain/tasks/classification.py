"""The task `classification`: one of several classes for each text."""

from __future__ import annotations

from collections.abc import Sequence
from types import MappingProxyType
from typing import TYPE_CHECKING

from edgewright.tasks.examples import TextExamples, part_of
from edgewright.tasks.labels import LabelTask
from edgewright.tasks.task import FITTED_TEXTS, OF_TEXTS

if TYPE_CHECKING:
    from torch import Tensor

    from edgewright.tasks.baselines import Baseline
    from edgewright.tasks.scores import Score


class Classification(LabelTask[TextExamples]):
    """One of several classes for each text."""

    columns = ("text", "label")
    needed_column = "label"
    builtin_data = ("stdlib-packages",)
    settings = OF_TEXTS | FITTED_TEXTS | {"distill.temperature"}
    reasons = MappingProxyType({"distill.projection": "its head has a matrix of its own"})

    def targets(self, examples: TextExamples) -> Sequence[Tensor]:
        """The class of each."""
        import torch

        from edgewright.tasks.scores import places_of

        return list(torch.tensor(places_of([str(row.label) for row in examples.train], examples.labels)))

    def score(self, examples: TextExamples, part: str = "test") -> Score:
        """Accuracy."""
        from edgewright.tasks.scores import LabelScore

        rows = part_of(examples, part)
        return LabelScore([str(row.label) for row in rows], examples.labels, texts=[row.text for row in rows])

    def baseline(self, examples: TextExamples, score: Score) -> Baseline:
        """Logistic regression on TF-IDF vectors."""
        from edgewright.tasks.baselines import label_baseline
        from edgewright.tasks.scores import LabelScore

        assert isinstance(score, LabelScore)
        labels = [str(row.label) for row in examples.train]
        return label_baseline([row.text for row in examples.train], labels, score)


CLASSIFICATION = Classification()
