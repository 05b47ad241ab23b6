"""The task `language-modelling`: to go on with a text, token by token."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import TYPE_CHECKING

from edgewright.errors import BadDataError, InputError
from edgewright.specs.recipe.section import LONGEST_CONTEXT
from edgewright.tasks.examples import WrittenExamples, part_of
from edgewright.tasks.task import OF_WRITING, TABLES, TEXT_INPUTS, Document, Question, Table, Task

if TYPE_CHECKING:
    from torch import Tensor

    from edgewright.tasks.baselines import Baseline
    from edgewright.tasks.scores import Score


class LanguageModelling(Task[WrittenExamples]):
    """The token that follows those before it, of every token of a document."""

    modality = "causal-text"
    examples = "documents"
    inputs = TEXT_INPUTS | {"data.folder", "data.document"}
    columns: tuple[str, ...] = ("text", "source")
    suffixes: tuple[str, ...] = (*TABLES, ".txt", ".md")
    builtin_data: tuple[str, ...] = ("docstrings",)
    fitted = False
    settings = OF_WRITING
    unread = frozenset({"distill.augment"})
    reasons: Mapping[str, str] = MappingProxyType(
        {
            "finetune": "a teacher that writes is used as it is",
            "distill.augment": "altered texts are none that it should write; leave it out",
            "distill.max_length": "task.max_length says how long rows are",
            "export.lengths": "set export.context and export.prefill_lengths",
        }
    )
    head = "next token"
    attributable = False
    generates = True
    longest = LONGEST_CONTEXT

    def outputs(self, labels: Sequence[str]) -> int:
        """As many as the model has tokens."""
        return 0

    def loss(self, output: Tensor, targets: Tensor) -> Tensor:
        """Cross-entropy of logits (tokens, vocabulary) with the ids that follow, (tokens,)."""
        from torch.nn import functional

        return functional.cross_entropy(output, targets)

    def imitation(self, output: Tensor, teacher_output: Tensor, *, temperature: float = 1.0) -> Tensor:
        """The divergence of the softened distributions over tokens, times the temperature's square."""
        from torch.nn import functional

        student = functional.log_softmax(output.flatten(0, -2) / temperature, dim=-1)
        teacher = functional.log_softmax(teacher_output.flatten(0, -2) / temperature, dim=-1)
        return functional.kl_div(student, teacher, reduction="batchmean", log_target=True) * temperature**2

    def targets(self, examples: WrittenExamples) -> Sequence[Tensor]:
        """Refuses: what follows stands in the text itself."""
        raise InputError("a teacher that writes is used as it is; remove stages.finetune")

    def score(self, examples: WrittenExamples, part: str = "test") -> Score:
        """Bits per byte of the part's documents. Raises `BadDataError` where there is none."""
        from edgewright.tasks.token_score import TokenScore

        documents = part_of(examples, part)
        if not documents:
            raise BadDataError(
                f"the {part} part holds no document to be judged by; add documents, or change data.split"
            )
        return TokenScore(documents, sizes=examples.counted_bytes(part))

    def baseline(self, examples: WrittenExamples, score: Score) -> Baseline:
        """An interpolated n-gram model of the training documents' tokens, of at most the student's bytes."""
        from edgewright.tasks.ngram_baseline import ngram_baseline
        from edgewright.tasks.token_score import TokenScore

        assert isinstance(score, TokenScore)
        return ngram_baseline(examples, score)

    def answer(self, output: Sequence[float], question: Question) -> Document:
        """Refuses: what is written comes token by token, from a runner that generates."""
        raise InputError("this model writes its answer token by token; ask it with `edgewright run`")

    def answer_table(self, answer: Document) -> Table:
        """The text that was written."""
        return (), [(answer["completion"],)]


LANGUAGE_MODELLING = LanguageModelling()
