"""A task's texts as one model takes them: token ids of its own tokenizer, in the order that its outputs are judged in.

In:  a recipe, its texts in their parts, and the model's tokenizer.
Out: `TextDataset`. How texts are read and teachers loaded is `text`'s concern.
"""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from typing_extensions import override

from edgewright.base.json_values import as_integer
from edgewright.modality.base import Corpus, Dataset, HeldOut, Model
from edgewright.modality.encoded import count_within
from edgewright.modality.text_spec import TOKENIZER, TextInputSpec
from edgewright.modality.tokenizer import TextTokenizer

if TYPE_CHECKING:
    from torch import Tensor, nn

    from edgewright.data.texts import Texts
    from edgewright.models.inputs import Inputs, TextInputs
    from edgewright.specs.recipe import Distill, Finetune, Recipe
    from edgewright.tasks.attribution import RestsOn
    from edgewright.tasks.scores import Asked, Score
    from edgewright.tasks.task import AnyTask

RECORDED = "taught.json"  # the texts that the teacher's outputs were recorded on
COUNTED_TOKENS = 16  # the length of the text that multiply-accumulates are counted on


@dataclass(frozen=True, kw_only=True)
class TextDataset(Dataset):
    """Texts in the tokens of one model; `kept` are the teacher's pieces that it has, empty where it has all."""

    recipe: Recipe
    texts: Texts
    tokenizer: TextTokenizer
    kept: tuple[int, ...] = ()

    @property
    @override
    def examples(self) -> Texts:
        return self.texts

    @cached_property
    def _task(self) -> AnyTask:
        from edgewright.tasks.table import task_of

        return task_of(self.recipe.task.kind)

    @override
    def save(self, folder: Path) -> None:
        self.tokenizer.save(folder / TOKENIZER)

    @override
    def labelled(self, settings: Finetune) -> tuple[TextInputs, Sequence[Tensor]]:
        inputs = self.encoded([row.text for row in self.texts.train])
        return inputs, self._task.aligned(self._task.targets(self.texts), inputs.rows)

    @override
    def score(self, part: HeldOut = "test") -> Score:
        return self._task.score(self.texts, part)

    @override
    def held_out(self, part: HeldOut = "test") -> TextInputs:
        return self.encoded(self.score(part).texts if getattr(self.texts, part) else ())

    @override
    def asked(self, count: int) -> TextInputs:
        return self.encoded(self.asked_texts(count))

    def asked_texts(self, count: int) -> list[str]:
        """Of the held-out texts, each once."""
        texts = sorted({row.text for row in self.texts.test})
        return random.Random(0).sample(texts, min(count, len(texts)))

    @override
    def sample(self, count: int, *, macs: float = 0, passes: int = 0) -> TextInputs:
        texts = self.texts.training_texts
        chosen = random.Random(0).sample(texts, min(count, len(texts)))
        return self.encoded(chosen, longest=self.recipe.stages.distill.max_length)

    def encoded(self, texts: Sequence[str], *, longest: int | None = None) -> TextInputs:
        """Texts as the task reads them, in the model's tokens, cut at its longest or sooner."""
        from edgewright.models.inputs import TextInputs

        limit = self.recipe.task.max_length
        tokenizer = self.tokenizer.cut_at(min(longest, limit)) if longest else self.tokenizer
        return TextInputs(tokenizer.encode_any(self.as_read(texts)))

    def as_read(self, texts: Sequence[str]) -> Sequence[str] | Sequence[Sequence[str]]:
        """Texts as the task reads them: where each word gets a tag, lists of the words that white space parts."""
        return [text.split() for text in texts] if self._task.per_token else texts

    @override
    def to_record(self, settings: Distill, folder: Path) -> TextInputs:
        from edgewright.models.inputs import TextInputs

        longest = min(settings.max_length, self.recipe.task.max_length)
        texts = self.texts.augmented_texts(copies=settings.augment, max_words=longest)
        if settings.keep_overflow:
            rest = self.tokenizer.cut_at(longest).rest(texts)
            texts = list(dict.fromkeys([*texts, *random.Random(0).sample(rest, len(rest))]))
        rows = self.encoded(texts, longest=longest).rows
        rows = rows[: count_within(rows, settings.tokens)]
        (folder / RECORDED).write_text(json.dumps(texts[: len(rows)]), encoding="utf-8")
        return TextInputs(rows)

    @override
    def recorded(self, folder: Path, recorded_with: Mapping[str, object]) -> TextInputs:
        longest = as_integer(recorded_with["max_length"], "the recording", "max_length")
        return self.encoded(_recorded_texts(folder), longest=longest)

    @override
    def usual_size(self, count: int) -> int:
        rows = [row.text for row in self.texts.test]
        sizes = sorted(self.encoded(random.Random(0).sample(rows, min(count, len(rows)))).sizes)
        return sizes[len(sizes) // 2]

    @override
    def corpus(self) -> Corpus:
        parts = (*self.texts.train, *self.texts.validation, *self.texts.test)
        rows = list({row.pair: row for row in parts if row.pair}.values())
        shown = [f"{row.text} {row.pair}" for row in rows]
        return Corpus(titles=[row.title for row in rows], texts=shown, inputs=self.encoded(shown))

    @override
    def partners(self, folder: Path) -> Tensor | None:
        from edgewright.compress.distill import partners_of

        pairs = self.texts.training_pairs
        return partners_of(_recorded_texts(folder), pairs) if pairs else None

    @override
    def adapted(self, model: Model) -> Model:
        from edgewright.models import families
        from edgewright.models.capabilities import TOKEN_TABLE

        if not self.kept or (self.kept == tuple(range(len(self.kept))) and not self.recipe.stages.vocabulary.enabled):
            return model
        tokens = families.required(model, TOKEN_TABLE, setting="stages.vocabulary.enabled")
        smaller: Model = tokens.with_vocabulary(model, self.kept)
        return smaller

    @override
    def example(self) -> tuple[Tensor, ...]:
        import torch

        return (torch.ones(COUNTED_TOKENS, dtype=torch.long),)

    @override
    def outputs(self, model: nn.Module, inputs: Inputs, *, on_progress: Callable[[int], None] | None = None) -> Tensor:
        from edgewright.models import text as text_models
        from edgewright.models.inputs import TextInputs

        assert isinstance(inputs, TextInputs)
        return text_models.outputs(model, inputs.rows, on_progress=on_progress)

    @override
    def as_scored(self, outputs: Tensor, inputs: Inputs, score: Score) -> Tensor:
        """Of tags those of each word's first piece."""
        from edgewright.models.inputs import TextInputs, first_pieces

        if not self._task.per_token:
            return outputs
        assert isinstance(inputs, TextInputs)
        parts = outputs.split([len(row.ids) for row in inputs.rows])
        return first_pieces(parts, inputs.rows, [len(text.split()) for text in score.texts])

    @override
    def input_spec(self, *, batch: int = 1) -> TextInputSpec:
        return TextInputSpec(
            max_length=self.recipe.task.max_length,
            lengths=self.recipe.lengths,
            tags=len(self.texts.labels) if self._task.per_token else 0,
            batch=batch,
        )

    @override
    def examples_of(self, inputs: Inputs) -> Sequence[Sequence[int]]:
        from edgewright.models.inputs import TextInputs

        assert isinstance(inputs, TextInputs)
        return [row.ids for row in inputs.rows]

    @override
    def attribution(self, model: nn.Module, inputs: Inputs, index: int, asked: Asked) -> RestsOn:
        from edgewright.models.families import lacks
        from edgewright.models.inputs import TextInputs
        from edgewright.models.model import TransformerModel
        from edgewright.tasks import attribution

        if not isinstance(model, TransformerModel):
            raise lacks(model, "layers that an answer is traced through", setting="stages.account.attributions")
        assert isinstance(inputs, TextInputs)
        return attribution.of_words(model, self.tokenizer, inputs, index, asked)


def _recorded_texts(folder: Path) -> list[str]:
    texts: list[str] = json.loads((folder / RECORDED).read_text(encoding="utf-8"))
    return texts
