"""A task as a package of one's own has it: labels in an order, such as stars, in one file.

Its entry point is `ordinal = "ordinal_task:ORDINAL"` in the group `edgewright.tasks`. A recipe names it by
`task.kind = "ordinal"` and the labels, lowest first, by `task.labels`. Of K labels a model says for each but the lowest
whether it is at least that (Frank and Hall 2001), so that a neighbour is a smaller error than what lies far off.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from edgewright.tasks.examples import TextExamples, part_of
from edgewright.tasks.task import FITTED_TEXTS, OF_TEXTS, Question, Task

if TYPE_CHECKING:
    from torch import Tensor

    from edgewright.tasks.baselines import Baseline
    from edgewright.tasks.scores import Score


class Ordinal(Task[TextExamples]):
    """One of several labels in an order, for each text."""

    columns = ("text", "label")
    needed_column = "label"
    has_labels = True
    settings = OF_TEXTS | FITTED_TEXTS
    reasons = MappingProxyType({"distill.temperature": "each of its outputs is a probability by itself"})

    def outputs(self, labels: Sequence[str]) -> int:
        """One for each label but the lowest."""
        return len(labels) - 1

    def targets(self, examples: TextExamples) -> Sequence[Tensor]:
        """For each label but the lowest whether the text has at least that."""
        import torch

        places = _places([str(row.label) for row in examples.train], examples.labels)
        steps = torch.arange(1, len(examples.labels))
        return [(steps <= place).float() for place in places]

    def loss(self, output: Tensor, targets: Tensor) -> Tensor:
        """Binary cross-entropy of each step."""
        from torch.nn import functional

        return functional.binary_cross_entropy_with_logits(output, targets)

    def imitation(self, output: Tensor, teacher_output: Tensor, *, temperature: float = 1.0) -> Tensor:
        """The same against what the teacher takes to be likely."""
        return self.loss(output, teacher_output.sigmoid())

    def score(self, examples: TextExamples, part: str = "test") -> Score:
        """One less the mean distance, in steps of all steps."""
        rows = part_of(examples, part)
        return _score([str(row.label) for row in rows], examples.labels, [row.text for row in rows])

    def baseline(self, examples: TextExamples, score: Score) -> Baseline:
        """What always saying the commonest label achieves."""
        import torch

        from edgewright.tasks.baselines import Baseline

        (commonest, _), *_ = Counter(str(row.label) for row in examples.train).most_common(1)
        (place,) = _places([commonest], examples.labels)
        steps = torch.arange(1, len(examples.labels))
        said = torch.where(steps <= place, 1.0, -1.0).expand(len(score.texts), -1)
        return Baseline(name="the commonest label", score=score.of(said))

    def answer(self, output: Sequence[float], question: Question) -> dict[str, Any]:
        """The label, and how likely it is to be at least each."""
        likely = {label: 1 / (1 + math.exp(-each)) for label, each in zip(question.labels[1:], output, strict=True)}
        place = sum(each > 0.5 for each in likely.values())
        return {"kind": "ordinal", "label": question.labels[place], "at_least": likely}

    def answer_table(self, answer: Mapping[str, Any]) -> tuple[tuple[str, ...], list[tuple[Any, ...]]]:
        """The label first, then the steps."""
        steps = [(f"at least {label}", each) for label, each in answer["at_least"].items()]
        return ("answer", "probability"), [(answer["label"], ""), *steps]


def _places(labels: Sequence[str], known: Sequence[str]) -> list[int]:
    from edgewright.tasks.scores import places_of

    return places_of(labels, known)


def _score(labels: Sequence[str], known: Sequence[str], texts: Sequence[str]) -> Score:
    import torch

    from edgewright.tasks.scores import Score

    class Distance(Score):
        """How near the labels that are said are to the right ones."""

        metric = "1 − mean distance"

        def of(self, outputs: Tensor) -> float:
            """(examples, steps) → 0 to 1."""
            said = (outputs > 0).sum(dim=-1).cpu()
            return float(1 - (said - right).abs().float().mean() / (len(known) - 1))

    right = torch.tensor(_places(labels, known))
    score = Distance()
    score.texts = tuple(texts)
    return score


ORDINAL = Ordinal()
