"""What a task is: everything that differs from one task to another, in one value.

In:  a recipe's `task.kind`, by which `table.TASKS` finds the task.
Out: `Task`: the columns and settings it reads, its head, targets, loss, score and baseline, and how an answer is shown.
A task of one's own is a subclass, registered under a name by an entry point of the group `edgewright.tasks`. Its module
imports torch and other heavy packages inside methods alone: recipes and bundles are read where they are not installed.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Generic, TypeAlias, TypeVar

from edgewright.base.json_values import JsonObject, as_list, as_object

if TYPE_CHECKING:
    from torch import Tensor

    from edgewright.modality.encoded import Encoded
    from edgewright.tasks.baselines import Baseline
    from edgewright.tasks.scores import Scale, Score

TABLES = (".csv", ".jsonl", ".parquet")
# The settings of stages that not every task reads, and that every task of texts, or of images, does.
OF_TEXTS = frozenset(
    {
        "vocabulary", "prune.speedup", "prune.prices", "low_rank.token_rank", "low_rank.token_exponent",
        "distill.max_length", "distill.keep_overflow", "distill.tokens", "distill.batch_tokens", "distill.final_phase",
        "distill.intermediate_weight", "distill.relation_weight", "export.lengths",
    }
)  # fmt: skip
OF_IMAGES = frozenset({"distill.batch_images"})
OF_WRITING = frozenset(
    {
        "vocabulary", "low_rank.token_rank", "low_rank.token_exponent", "distill.tokens", "distill.batch_tokens",
        "distill.final_phase", "distill.intermediate_weight", "distill.top_k", "distill.true_token_weight",
        "export.context", "export.prefill_lengths", "export.cache", "export.verify_tokens",
    }
)  # fmt: skip
FITTED_TEXTS = frozenset({"finetune", "finetune.batch_tokens"})
FITTED_IMAGES = frozenset({"finetune", "finetune.batch_images", "finetune.augment"})

# The same of what [task] and [data] say.
TEXT_INPUTS = frozenset({"task.max_length", "data.extra_text", "data.extra_text_packages"})
IMAGE_INPUTS = frozenset({"task.image_size", "data.folder", "data.extra_images"})

Document = dict[str, object]
"""An answer as a JSON document; its `kind` tells its form."""
Table = tuple[tuple[str, ...], list[tuple[object, ...]]]
"""An answer for a person: the heads of columns, and rows of texts and numbers; no heads for one bare value."""


def rows_in(answer: Document, name: str) -> list[JsonObject]:
    """The rows that an answer lists under a name. Raises `InvalidFileError` where it lists none."""
    rows = as_list(answer.get(name), "the answer", name)
    return [as_object(row, "the answer", name, place) for place, row in enumerate(rows)]


Examples = TypeVar("Examples", contravariant=True)


@dataclass(frozen=True, kw_only=True)
class Question:
    """What was asked of a model, and what of its bundle an answer is made of.

    `places` are the tokens at which the words of a text begin, by the word's index, where each token has an output.
    A value is the output times `value_std`, plus `value_mean`. `search` gives the best matches for an embedding.
    """

    text: str
    top: int
    labels: tuple[str, ...] = ()
    places: Mapping[int, int] = field(default_factory=dict)
    value_mean: float = 0.0
    value_std: float = 1.0
    search: Callable[[Sequence[float]], list[Document]] = lambda _: []


class Task(Generic[Examples]):
    """One task. Outputs are (batch, outputs), or (batch, tokens, outputs) where it is `per_token`."""

    modality: str = "text"
    """The name of what its examples are."""
    examples: str = "text"
    """What it reads, in a word for a person."""
    inputs: frozenset[str] = TEXT_INPUTS
    """The settings of [task] and [data] that not every task reads, and this one does: "task.max_length"."""
    columns: tuple[str, ...] = ("text",)
    """Those of `data.columns` that it reads; others than ours are called so in the file, if the recipe says no name."""
    needed_column: str | None = None
    """The one of them that a recipe must name."""
    suffixes: tuple[str, ...] = TABLES
    """Of the files that it reads examples from."""
    builtin_data: tuple[str, ...] = ()
    """The built-in data sets that it can be learned from."""
    has_labels: bool = False
    """Whether an answer is one of the labels that `task.labels` may name."""
    fitted: bool = True
    """Whether a teacher is fitted to answers, by the settings of `stages.finetune`."""
    standardised: bool = False
    """Whether targets are values on the scale that `scale` gives."""
    settings: frozenset[str] = OF_TEXTS
    """The settings of stages that not every task reads, and this one does: "prune.speedup", or all of "finetune"."""
    unread: frozenset[str] = frozenset()
    """Those that every other task reads, and this one does not."""
    reasons: Mapping[str, str] = MappingProxyType({})
    """Why it does not read one of those that others do, and what to do instead."""
    training_unit: str = "train_tokens"
    """The setting that says how much is trained."""
    head: str = "labels"
    """Which head of a model gives its outputs; see `models.teacher.HEADS`."""
    per_token: bool = False
    """Whether each token has an output of its own."""
    searched: bool = False
    """Whether a bundle holds an index of a corpus that is searched."""
    ends: bool = False
    """Whether what a model is to write ends with a token that says so."""
    longest: int = 512
    """The most tokens of a text, or of a row that a model which writes is trained on."""
    attributable: bool = True
    """Whether one answer for an example can be traced back to its parts."""
    generates: bool = False
    """Whether its models write text token by token, which a budget has limits of its own for."""

    def outputs(self, labels: Sequence[str]) -> int:
        """How many numbers the head gives for each example or token; 0 where that is the model's width."""
        raise NotImplementedError

    def loss(self, output: Tensor, targets: Tensor) -> Tensor:
        """How wrong outputs (batch, …) are, with labels at hand."""
        raise NotImplementedError

    def imitation(self, output: Tensor, teacher_output: Tensor, *, temperature: float = 1.0) -> Tensor:
        """How far outputs are from a teacher's, without labels; of tokens, (tokens, outputs) without padding."""
        raise NotImplementedError

    def targets(self, examples: Examples) -> Sequence[Tensor]:
        """What `loss` compares the training part's outputs with, one for each; of tags, one for each word.

        Raises `BadDataError` for an answer outside the configured labels, or a value that is no finite number.
        """
        raise NotImplementedError

    def aligned(self, targets: Sequence[Tensor], rows: Sequence[Encoded]) -> list[Tensor]:
        """Targets as they meet the outputs for texts in tokens; the same where an example has one output."""
        return list(targets)

    def batch(self, targets: Sequence[Tensor]) -> Tensor:
        """Targets of several examples in one tensor, as `loss` takes them."""
        import torch

        return torch.stack(list(targets))

    def score(self, examples: Examples, part: str = "test") -> Score:
        """The judge of a part: "test" or "validation". Raises `BadDataError` where it cannot be judged."""
        raise NotImplementedError

    def baseline(self, examples: Examples, score: Score) -> Baseline:
        """What a method without a network, fitted to the training part, achieves on the part of the score."""
        raise NotImplementedError

    def scale(self, examples: Examples) -> Scale:
        """How the training values become outputs; to be kept beside the model. As they are, by default."""
        from edgewright.tasks.scores import Scale

        return Scale()

    def answer(self, output: Sequence[float], question: Question) -> Document:
        """What a model's output says. Works without torch."""
        raise NotImplementedError

    def answer_table(self, answer: Document) -> Table:
        """The same for a person."""
        raise NotImplementedError


AnyTask: TypeAlias = Task[Any]
"""A task whatever its examples: they come from the data that the recipe names, which the task's modality reads."""
