"""The task `embedding`: texts that belong together lie together, so that one finds the other."""

from __future__ import annotations

from collections.abc import Sequence
from types import MappingProxyType
from typing import TYPE_CHECKING

from edgewright.errors import InputError
from edgewright.tasks.examples import TextExamples, part_of
from edgewright.tasks.task import OF_TEXTS, Document, Question, Table, Task, rows_in

if TYPE_CHECKING:
    from torch import Tensor

    from edgewright.tasks.baselines import Baseline
    from edgewright.tasks.scores import Score


class Embedding(Task[TextExamples]):
    """Texts that belong together lie together; no labels are needed."""

    columns = ("text", "pair")
    needed_column = "pair"
    builtin_data = ("stdlib-search",)
    fitted = False
    settings = OF_TEXTS | {
        "distill.projection",
        "distill.similarity_weight",
        "distill.pair_weight",
        "distill.final_phase.similarity_weight",
        "distill.final_phase.pair_weight",
    }
    reasons = MappingProxyType(
        {
            "finetune": "an embedding teacher is used as it is",
            "distill.temperature": "there are no classes for it to soften",
        }
    )
    head = "vector"
    searched = True

    def outputs(self, labels: Sequence[str]) -> int:
        """An embedding has its model's width."""
        return 0

    def loss(self, output: Tensor, targets: Tensor) -> Tensor:
        """Refuses: a sentence embedding is used as it came."""
        raise InputError("an embedding teacher is used as it is; remove stages.finetune")

    def imitation(self, output: Tensor, teacher_output: Tensor, *, temperature: float = 1.0) -> Tensor:
        """1 − cosine, its mean; there is nothing for a temperature to soften."""
        from torch.nn import functional

        return (1.0 - functional.cosine_similarity(output, teacher_output, dim=-1)).mean()

    def targets(self, examples: TextExamples) -> Sequence[Tensor]:
        """None."""
        return []

    def score(self, examples: TextExamples, part: str = "test") -> Score:
        """Finding each text's pair."""
        from edgewright.tasks.search_score import SearchScore

        rows = part_of(examples, part)
        return SearchScore([row.text for row in rows], [str(row.pair) for row in rows])

    def baseline(self, examples: TextExamples, score: Score) -> Baseline:
        """TF-IDF."""
        from edgewright.tasks.baselines import search_baseline
        from edgewright.tasks.search_score import SearchScore

        assert isinstance(score, SearchScore)
        return search_baseline(score)

    def answer(self, output: Sequence[float], question: Question) -> Document:
        """The best matches of the bundle's corpus."""
        return {"kind": "search", "matches": question.search(output)}

    def answer_table(self, answer: Document) -> Table:
        """A match a row."""
        rows = rows_in(answer, "matches")
        return ("score", "title", "text"), [(row["score"], row["title"], row["text"]) for row in rows]


EMBEDDING = Embedding()
