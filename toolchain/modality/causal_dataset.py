"""A task's documents as one model that writes takes them: rows of tokens, of which some count.

In:  a recipe, its documents in their parts, the model's tokenizer, and what stands around a text.
Out: `CausalDataset`. How documents are read and teachers loaded is `causal_text`'s concern, what rows are is
     `causal_rows`'.
"""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from pydantic import TypeAdapter
from typing_extensions import override

from edgewright.errors import InputError
from edgewright.modality.base import Dataset, HeldOut, Model
from edgewright.modality.causal_rows import CausalRow, Frame
from edgewright.modality.causal_spec import CHAT_TEMPLATE, CausalTextSpec, written_chat_template
from edgewright.modality.causal_tokens import TokenWriter
from edgewright.modality.chat_template import ChatTemplate
from edgewright.modality.decoder_tokenizer import DecoderTokenizer
from edgewright.modality.encoded import count_within
from edgewright.modality.text_dataset import COUNTED_TOKENS
from edgewright.modality.text_spec import TOKENIZER

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from torch import Tensor, nn

    from edgewright.data.documents import Documents, TextDocument
    from edgewright.models.causal_inputs import CausalInputs
    from edgewright.models.inputs import Inputs
    from edgewright.specs.recipe import Distill, Finetune, Recipe
    from edgewright.tasks.attribution import RestsOn
    from edgewright.tasks.scores import Asked, Score
    from edgewright.tasks.task import AnyTask
    from edgewright.tasks.token_agreement import TokenAgreement

ROWS = "rows.npz"  # those that the teacher's outputs were recorded on
ENDS = "causal.json"  # the tokens that begin and end texts, beside the tokenizer
ASKED_SHARE = 0.5  # of a text without a prompt, which it is asked to go on with
MOST_ASKED = 64  # tokens of that
WRITTEN = 64  # held-out prompts that models are asked, to be compared by what they write
LONGEST_WRITTEN = 128  # tokens of that
# How much a sample is worked on where there are many passes over it, by work and so the same on every machine; and the
# tokens below which nothing could be told.
AFFORDED_MACS, FEWEST_TOKENS = 2e12, 2048

JUDGED_TOKENS, JUDGED_LENGTH = 512, 64  # that narrower formats are judged on, and at most of one row


@dataclass(frozen=True, kw_only=True)
class TextEnds:
    """The tokens that are put before a text, and those with which one ends."""

    begin: tuple[int, ...]
    ends: tuple[int, ...]

    def over(self, kept: Sequence[int]) -> TextEnds:
        """The same where the vocabulary has these tokens alone, in this order."""
        places = {old: new for new, old in enumerate(kept)}
        begin, ends = (tuple(places[each] for each in ids if each in places) for ids in (self.begin, self.ends))
        return TextEnds(begin=begin, ends=ends)

    def save(self, folder: Path) -> None:
        """Beside a tokenizer."""
        document = {"begin": list(self.begin), "ends": list(self.ends)}
        (folder / ENDS).write_text(json.dumps(document), encoding="utf-8")

    @classmethod
    def load(cls, folder: Path) -> TextEnds:
        """What `save` wrote."""
        return TypeAdapter(cls).validate_json((folder / ENDS).read_bytes())


@dataclass(frozen=True, kw_only=True)
class CausalExamples:
    """The documents of a task, and their tokens as a model has them."""

    documents: Documents
    writer: TokenWriter
    baseline_bytes: int
    """What a method without a network may take at most."""
    longest: int
    """Tokens of a row."""

    @property
    def labels(self) -> tuple[str, ...]:
        """None."""
        return ()

    @property
    def train(self) -> Sequence[TextDocument]:
        """The documents that are trained on."""
        return self.documents.train

    @property
    def validation(self) -> Sequence[TextDocument]:
        """Those that trainings are ended by."""
        return self.documents.validation

    @property
    def test(self) -> Sequence[TextDocument]:
        """Those that models are judged by."""
        return self.documents.test

    @property
    def extra(self) -> Sequence[TextDocument]:
        """Further ones that are trained on."""
        return self.documents.extra

    @property
    def vocabulary(self) -> int:
        """How many kinds of tokens there are."""
        return len(self.writer.tokenizer.vocabulary)

    def counted_bytes(self, part: str) -> list[int]:
        """Of each document of a part, the bytes of as much of its completion as rows hold."""
        return self.writer.counted_bytes(getattr(self.documents, part), longest=self.longest)

    def tokens(self, part: str) -> list[NDArray[np.int64]]:
        """Those of each document of a part, without prompts and without what stands around a text."""
        return [np.array(ids, dtype=np.int64) for ids in self.writer.counted(getattr(self.documents, part))]


@dataclass(frozen=True, kw_only=True)
class CausalDataset(Dataset):
    """Documents in the tokens of one model; `kept` are the teacher's pieces that it has, empty where it has all."""

    recipe: Recipe
    documents: Documents
    tokenizer: DecoderTokenizer
    ends: TextEnds
    template: ChatTemplate | None = None
    kept: tuple[int, ...] = ()

    @property
    @override
    def examples(self) -> CausalExamples:
        from edgewright.specs.budget import BYTES_PER_MB
        from edgewright.tasks.ngram import MOST_BYTES

        limit_mb = self.recipe.budget.artifact_mb
        most = round(limit_mb * BYTES_PER_MB) if limit_mb else MOST_BYTES
        return CausalExamples(
            documents=self.documents, writer=self.tokens, baseline_bytes=most, longest=self.recipe.task.max_length
        )

    @property
    @override
    def token_bytes(self) -> Sequence[int]:
        return self.tokenizer.piece_bytes

    @cached_property
    def _task(self) -> AnyTask:
        from edgewright.tasks.table import task_of

        return task_of(self.recipe.task.kind)

    @cached_property
    def tokens(self) -> TokenWriter:
        """How texts become tokens."""
        end = self.ends.ends[0] if self._task.ends and self.ends.ends else None
        return TokenWriter(
            tokenizer=self.tokenizer, frame=Frame(begin=self.ends.begin, end=end), template=self.template
        )

    @override
    def save(self, folder: Path) -> None:
        self.tokenizer.save(folder / TOKENIZER)
        self.save_beside(folder)

    def save_beside(self, folder: Path, *, kept: Sequence[int] | None = None) -> None:
        """What lies beside the tokenizer, or beside one of these pieces alone."""
        (self.ends if kept is None else self.ends.over(kept)).save(folder)
        if self.template is not None:
            (folder / CHAT_TEMPLATE).write_text(written_chat_template(self.template), encoding="utf-8")

    @override
    def labelled(self, settings: Finetune) -> tuple[CausalInputs, Sequence[Tensor]]:
        raise InputError("a model that writes is not fitted to answers; remove stages.finetune")

    @override
    def score(self, part: HeldOut = "test") -> Score:
        return self._task.score(self.examples, part)

    @override
    def held_out(self, part: HeldOut = "test") -> CausalInputs:
        return self._rows(getattr(self.documents, part))

    @override
    def asked(self, count: int) -> CausalInputs:
        """Prompts; of a text without one its first tokens."""
        documents = self.documents.test
        chosen = random.Random(0).sample(documents, min(count, len(documents)))
        rows = {row.document: row for row in reversed(self._rows(chosen).rows)}  # a document's first
        return _inputs([_as_prompt(rows[place]) for place in sorted(rows)])

    @override
    def sample(self, count: int, *, macs: float = 0, passes: int = 0) -> CausalInputs:
        documents = self.documents.training
        rows = self._rows(random.Random(0).sample(documents, min(count, len(documents)))).rows[:count]
        if passes and macs:
            most = max(int(AFFORDED_MACS * COUNTED_TOKENS / (macs * passes)), FEWEST_TOKENS)
            rows = rows[: count_within(rows, most)]
        return _inputs(rows)

    def _rows(self, documents: Sequence[TextDocument]) -> CausalInputs:
        return _inputs(self.tokens.rows(documents, longest=self.recipe.task.max_length))

    def read_texts(self, documents: Sequence[TextDocument]) -> list[str]:
        """All that is read and written of them: prompts as they are asked, and completions."""
        prompts = [self.tokens.written(each.prompt) for each in documents if each.prompt]
        return [*prompts, *(each.completion for each in documents)]

    @override
    def to_record(self, settings: Distill, folder: Path) -> CausalInputs:
        documents = list(self.documents.training)
        random.Random(settings.seed).shuffle(documents)  # what is cut off behind the limit is no module's alone
        rows = self._rows(documents).rows
        inputs = _inputs(rows[: count_within(rows, recorded_tokens(settings))])
        inputs.save(folder / ROWS)
        return inputs

    @override
    def recorded(self, folder: Path, recorded_with: Mapping[str, object]) -> CausalInputs:
        from edgewright.models.causal_inputs import CausalInputs

        return CausalInputs.load(folder / ROWS)

    @override
    def usual_size(self, count: int) -> int:
        documents = self.documents.test
        sizes = sorted(self._rows(random.Random(0).sample(documents, min(count, len(documents)))).sizes)
        return sizes[len(sizes) // 2]

    @override
    def adapted(self, model: Model) -> Model:
        from edgewright.models import families
        from edgewright.models.capabilities import TOKEN_TABLE

        if not self.kept or (self.kept == tuple(range(len(self.kept))) and not self.recipe.stages.vocabulary.enabled):
            return model
        tokens = families.required(model, TOKEN_TABLE, setting="stages.vocabulary.enabled")
        if tokens.pieces(model) == len(self.kept):  # a student that was cut before
            return model
        smaller: Model = tokens.with_vocabulary(model, self.kept)
        return smaller

    @override
    def example(self) -> tuple[Tensor, ...]:
        import torch

        return (torch.ones(1, COUNTED_TOKENS, dtype=torch.long),)

    @override
    def outputs(self, model: nn.Module, inputs: Inputs, *, on_progress: Callable[[int], None] | None = None) -> Tensor:
        """(all counted tokens, 2): the natural logarithm of the probability of each, and the likeliest token there."""
        from edgewright.models.causal_inputs import CausalInputs
        from edgewright.models.next_tokens import next_tokens

        assert isinstance(inputs, CausalInputs)
        return next_tokens(model, inputs.rows, on_progress=on_progress)

    @override
    def for_sensitivity(self, count: int, *, macs: float, passes: int) -> CausalInputs:
        """Rows of `JUDGED_TOKENS` in all, each cut at `JUDGED_LENGTH`: each has a number for every piece."""
        rows = [_cut(row, JUDGED_LENGTH) for row in self.sample(count).rows]
        ends = np.cumsum([len(row.ids) for row in rows])
        return _inputs(rows[: max(int((ends <= JUDGED_TOKENS).sum()), 1)])

    @override
    def judged(self, model: nn.Module, inputs: Inputs) -> Tensor:
        """Logarithms of what is expected next after every token, (tokens, vocabulary)."""
        import torch

        with torch.inference_mode():
            scores = [model(torch.tensor([ids]))[0] for ids in self.examples_of(inputs)]
            return torch.cat(scores).float().log_softmax(dim=-1)

    @override
    def distance(self, found: Tensor, wanted: Tensor) -> float:
        """The root of twice the KL divergence in nats a token, which is as large as a small error of logits."""
        from edgewright.models.next_tokens import divergence

        return divergence(found, wanted)

    @override
    def as_scored(self, outputs: Tensor, inputs: Inputs, score: Score) -> Tensor:
        """(all counted tokens, 4): with the token that stands there, and the place of its document in the part."""
        import torch

        from edgewright.models.causal_inputs import CausalInputs

        assert isinstance(inputs, CausalInputs)
        right = [token for row in inputs.rows for token in row.counted]
        places = [row.document for row in inputs.rows for _ in row.counted]
        return torch.cat([outputs.double(), torch.tensor([right, places], dtype=torch.float64).T], dim=1)

    @override
    def input_spec(self, *, batch: int = 1) -> CausalTextSpec:
        export = self.recipe.stages.export
        return CausalTextSpec(
            max_length=self.recipe.task.max_length,
            context=self.recipe.context,
            prefill_lengths=export.prefill_lengths,
            cache=export.cache,
            verify_tokens=export.verify_tokens,
            begin=self.ends.begin,
            stop=self.ends.ends,
            chat=self.template is not None,
        )

    @override
    def examples_of(self, inputs: Inputs) -> Sequence[Sequence[int]]:
        from edgewright.models.causal_inputs import CausalInputs

        assert isinstance(inputs, CausalInputs)
        return [row.ids for row in inputs.rows]

    @override
    def agreement(self, teacher: nn.Module, outputs: Tensor, inputs: Inputs) -> TokenAgreement | None:
        """Of the teacher as it reads these tokens: with the pieces that stayed."""
        from edgewright.models.causal_inputs import CausalInputs
        from edgewright.models.next_tokens import likeliest_tokens
        from edgewright.tasks.token_agreement import FIRST, token_agreement

        assert isinstance(inputs, CausalInputs)
        return token_agreement(outputs[:, 1], likeliest_tokens(self.adapted(teacher), inputs.rows, count=FIRST))

    @override
    def written(self, model: nn.Module) -> Mapping[int, str]:
        """Greedily, after prompts that leave room for a completion."""
        from edgewright.models.greedy import greedy

        asked = [place for place, each in enumerate(self.documents.test) if each.prompt]
        chosen = sorted(random.Random(0).sample(asked, min(WRITTEN, len(asked))))
        most = max(self.recipe.task.max_length // 2, 1)
        prompts = [self.tokens.asked(self.documents.test[place].prompt, longest=most) for place in chosen]
        texts = greedy(model, prompts, ends=self.ends.ends, most=min(most, LONGEST_WRITTEN))
        return {place: self.tokenizer.decode(ids) for place, ids in zip(chosen, texts, strict=True)}

    @override
    def attribution(self, model: nn.Module, inputs: Inputs, index: int, asked: Asked) -> RestsOn:
        raise InputError("what a written text rests on is not traced; remove stages.account.attributions")


def recorded_tokens(settings: Distill) -> int | None:
    """Of how many tokens the teacher's outputs are recorded: what an epoch reads, and no more than is trained on.

    None for all; recording a token costs a decoder as much as training on it.
    """
    return min(filter(None, (settings.tokens, settings.train_tokens)), default=None)


def _inputs(rows: Sequence[CausalRow]) -> CausalInputs:
    from edgewright.models.causal_inputs import CausalInputs

    return CausalInputs(rows)


def _cut(row: CausalRow, length: int) -> CausalRow:
    return replace(row, ids=row.ids[:length], words=row.words[:length], first=min(row.first, length))


def _as_prompt(row: CausalRow) -> CausalRow:
    """What stands before the counted tokens, or where that is the beginning alone, some of those, too."""
    length = row.first
    if length <= 1:
        length = max(1, min(round(ASKED_SHARE * len(row.ids)), MOST_ASKED))
    return replace(row, ids=row.ids[:length], words=row.words[:length], first=length)
