"""Teach a student to answer as its teacher does, on examples without labels.

In:  a teacher's recorded answers (`Targets`), a student, and the same examples as the student takes them.
Out: the student, trained in place.
The teacher runs once; its answers are kept on disk. Batches are of like size and never padded to a maximum.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torch.nn import functional

from toolchain.compress import relations
from toolchain.compress.units import Units, means, units_of
from toolchain.models.inputs import Inputs, in_batches
from toolchain.models.model import TransformerModel
from toolchain.models.text import batches, fast_arithmetic
from toolchain.models.training import Schedule, Trained, device_of, train

RECORDED_TOKENS = 4096  # of a batch that the teacher is asked at once
SPREAD_SAMPLE = 1 << 16  # hidden vectors that the scale of the hidden loss is taken from
SIMILARITY_BANK = 2048  # answers that a student's similarities are compared on
PAIR_TEMPERATURE = 0.05
PAIR_BANK = 4096  # answers that an example must tell its partner's from

Imitation = Callable[[Tensor, Tensor], Tensor]  # outputs and the teacher's → how far they are apart


@dataclass(frozen=True, kw_only=True)
class Weights:
    """How much each part of the loss counts; 0 leaves it out."""

    output: float = 10.0  # a cosine's loss is small beside the hidden one; this makes both count
    hidden: float = 1.0
    relation: float = 0.0
    similarity: float = 0.0
    pair: float = 0.0


@dataclass(frozen=True, kw_only=True)
class Targets:
    """What the teacher says of each example.

    `outputs` is (examples, outputs), or (all units, outputs) where each token has its own. A unit is what hidden
    vectors are compared by: a word of a text, a patch of an image. `hidden` is (all units, width) in float16, example
    after example: the teacher's last hidden vectors; `attention` (all units, 3 × inner) its last layer's queries, keys
    and values. Either is empty where nothing asks for it. Example i has the units `starts[i]` to `starts[i + 1]`.
    """

    outputs: Tensor
    hidden: Tensor
    attention: Tensor
    starts: Tensor

    def save(self, path: Path) -> None:
        """Write as one safetensors file."""
        save_file({name: tensor.contiguous() for name, tensor in vars(self).items()}, path)

    @classmethod
    def load(cls, path: Path) -> Targets:
        """Read what `save` wrote, mapped from disk."""
        return cls(**load_file(path))

    def counts(self) -> Tensor:
        """How many units each example has, (examples,)."""
        return self.starts.diff()


def record_targets(
    teacher: nn.Module,
    inputs: Inputs,
    *,
    hidden: bool = True,
    attention: bool = False,
    told: Callable[[int, int], None] | None = None,
) -> Targets:
    """Run the teacher once over `inputs`; `told` hears (examples done, examples).

    A model that is no `TransformerModel` has outputs alone.
    """
    if not isinstance(teacher, TransformerModel):
        return _outputs_alone(teacher, inputs, told)
    record = _Record(teacher, inputs, hidden=hidden, attention=attention)
    done = 0
    with torch.inference_mode(), fast_arithmetic():
        for indexes in in_batches(teacher.encoder, inputs, RECORDED_TOKENS):
            record.add(indexes)
            done += len(indexes)
            if told:
                told(done, len(inputs))
    return record.targets()


class _Record:
    """A transformer's answers as they come, batch by batch and in any order."""

    def __init__(self, teacher: TransformerModel, inputs: Inputs, *, hidden: bool, attention: bool) -> None:
        self.teacher, self.inputs = teacher, inputs
        self.units = units_of(teacher.encoder, inputs)
        counts = [self.units.count(index) for index in range(len(inputs))]
        self.starts = torch.tensor([0, *counts]).cumsum(0)
        width, last = teacher.encoder.shape.width, teacher.encoder.shape.layers[-1]
        inner = 3 * last.heads * last.head_width
        rows = int(self.starts[-1])
        self.hidden = torch.empty(rows if hidden else 0, width, dtype=torch.float16)
        self.attention = torch.empty(rows if attention else 0, inner, dtype=torch.float16)
        self.each = teacher.head.shape.pooling == "each"
        self.outputs: list[Tensor] = [torch.empty(0)] * len(inputs)

    def add(self, indexes: Sequence[int]) -> None:
        """One batch."""
        encoder, batch = self.teacher.encoder, self.inputs.batch(indexes)
        states = encoder.all_hidden(*batch)
        mask = encoder.mask(*batch)
        outputs = self.teacher.head(states[-1].float(), mask).float()
        queries = relations.joined(encoder, states[-2]).float() if len(self.attention) else None
        for row, index in enumerate(indexes):
            part = slice(int(self.starts[index]), int(self.starts[index + 1]))
            numbers, count = self.units.of(index), self.units.count(index)
            self.outputs[index] = outputs[row][self.units.first(index)] if self.each else outputs[row]
            if len(self.hidden):
                self.hidden[part] = means(states[-1][row, : len(numbers)].float(), numbers, count).half()
            if queries is not None:
                self.attention[part] = means(queries[row, : len(numbers)], numbers, count).half()

    def targets(self) -> Targets:
        """All of it."""
        outputs = torch.cat(self.outputs) if self.each else torch.stack(self.outputs)
        return Targets(outputs=outputs, hidden=self.hidden, attention=self.attention, starts=self.starts)


def _outputs_alone(teacher: nn.Module, inputs: Inputs, told: Callable[[int, int], None] | None) -> Targets:
    found: list[Tensor] = [torch.empty(0)] * len(inputs)
    done = 0
    with torch.inference_mode():
        for indexes in batches(inputs.sizes, 256):
            for index, row in zip(indexes, teacher(*inputs.batch(indexes)).float(), strict=True):
                found[index] = row
            done += len(indexes)
            if told:
                told(done, len(inputs))
    empty = torch.empty(0, 0)
    starts = torch.zeros(len(inputs) + 1, dtype=torch.long)
    return Targets(outputs=torch.stack(found), hidden=empty, attention=empty.clone(), starts=starts)


def distill(
    student: nn.Module,
    targets: Targets,
    inputs: Inputs,
    schedule: Schedule,
    *,
    imitation: Imitation,
    weights: Weights,
    partners: Tensor | None = None,
    **training: Any,
) -> Trained:
    """Train `student` in place; `inputs` are the examples the targets were recorded on, as the student takes them.

    The loss joins, as `weights` say:
    - the outputs, by the task's `imitation`;
    - the last hidden vectors, compared a unit at a time because a student with fewer pieces may split a word
      otherwise; only where the widths agree;
    - relations between units in the last layer's attention (`relations`), whatever the widths;
    - the outputs' similarities to a random bank of the teacher's answers: what a search ranks by;
    - where pairs are known, `partners` (examples,) has the index of each example's partner or -1, and the student
      also learns to put an example next to its partner, as the teacher sees that one, rather than next to others: the
      contrastive loss of van den Oord et al. 2018 against the teacher's answers.
    Further arguments are `train`'s. Raises `TrainingError` when the loss is no longer a number.
    """
    lesson = _Lesson(student, targets, inputs, imitation, _possible(student, targets, weights, partners), partners)
    return train(student, inputs.sizes, lesson.loss_of, schedule, setting="stages.distill.learning_rate", **training)


def partners_of(texts: Sequence[str], pairs: Iterable[tuple[str, str]]) -> Tensor:
    """For each text the index of the text it is paired with, (texts,) int64; -1 where there is none."""
    place = {text: index for index, text in enumerate(texts)}
    partners = torch.full((len(texts),), -1)
    for left, right in pairs:
        if left in place and right in place:
            partners[place[left]], partners[place[right]] = place[right], place[left]
    return partners


def _possible(student: nn.Module, targets: Targets, weights: Weights, partners: Tensor | None) -> Weights:
    """The weights without the parts that this student or these targets do not allow."""
    if not isinstance(student, TransformerModel):
        return replace(weights, hidden=0.0, relation=0.0, similarity=0.0, pair=0.0)
    if student.encoder.shape.width != targets.hidden.shape[-1] or not len(targets.hidden):
        weights = replace(weights, hidden=0.0)
    if not (student.encoder.shape.layers and student.encoder.shape.layers[-1].heads and len(targets.attention)):
        weights = replace(weights, relation=0.0)
    if student.head.shape.classes:
        weights = replace(weights, similarity=0.0, pair=0.0)
    return weights if partners is not None else replace(weights, pair=0.0)


class _Lesson:
    """The loss of one training: what is compared, and on which scale."""

    def __init__(
        self,
        student: nn.Module,
        targets: Targets,
        inputs: Inputs,
        imitation: Imitation,
        weights: Weights,
        partners: Tensor | None,
    ) -> None:
        self.student, self.targets, self.inputs = student, targets, inputs
        self.imitation, self.weights, self.partners = imitation, weights, partners
        self.units: Units | None = None
        if isinstance(student, TransformerModel):
            self.units = units_of(student.encoder, inputs)
            self.each = student.head.shape.pooling == "each"
        if weights.hidden:
            self.spread = targets.hidden[:SPREAD_SAMPLE].float().var(dim=0).mean()
        if weights.similarity or weights.pair:
            self.answers = functional.normalize(targets.outputs, dim=-1)
        if weights.similarity:
            sample = self.answers[torch.linspace(0, len(self.answers) - 1, SIMILARITY_BANK).long()]
            self.similarity_spread = (sample @ sample.T).var()

    def loss_of(self, indexes: Sequence[int]) -> Tensor:
        """The weighted sum over a batch."""
        student = self.student
        place = device_of(student)  # asked anew each time: the model is moved while it trains
        batch = tuple(each.to(place) for each in self.inputs.batch(indexes))
        if not isinstance(student, TransformerModel) or self.units is None:
            with fast_arithmetic():
                outputs = student(*batch).float()
            return self.weights.output * self.imitation(outputs, self.targets.outputs[list(indexes)].to(place))
        with fast_arithmetic():
            states = student.encoder.all_hidden(*batch)
            queries = relations.joined(student.encoder, states[-2]).float() if self.weights.relation else None
            hidden = states[-1].float()
            output = student.head(hidden, student.encoder.mask(*batch)).float()
        loss = self.weights.output * self._output_error(output, indexes)
        if self.weights.hidden:
            loss = loss + self.weights.hidden * self._hidden_error(hidden, indexes)
        if queries is not None:
            loss = loss + self.weights.relation * self._relation_error(queries, indexes)
        if self.weights.similarity:
            loss = loss + self.weights.similarity * self._similarity_error(output, indexes)
        if self.weights.pair and self.partners is not None:
            loss = loss + self.weights.pair * self._pair_error(output, torch.tensor(indexes), self.partners)
        return loss

    def _output_error(self, output: Tensor, indexes: Sequence[int]) -> Tensor:
        if not self.each or self.units is None:
            return self.imitation(output, self.targets.outputs[list(indexes)].to(output.device))
        rows, wanted = [], []
        for row, index in enumerate(indexes):
            kept = self._shared(index)
            rows.append(output[row][self.units.first(index)[:kept]])
            wanted.append(self.targets.outputs[int(self.targets.starts[index]) :][:kept])
        return self.imitation(torch.cat(rows), torch.cat(wanted).to(output.device))

    def _hidden_error(self, hidden: Tensor, indexes: Sequence[int]) -> Tensor:
        """The mean squared error of the hidden vectors, in units of their spread."""
        found, wanted = self._side_by_side(hidden, self.targets.hidden, indexes)
        return functional.mse_loss(torch.cat(found), torch.cat(wanted)) / self.spread.to(hidden.device)

    def _relation_error(self, queries: Tensor, indexes: Sequence[int]) -> Tensor:
        return relations.error(*self._side_by_side(queries, self.targets.attention, indexes))

    def _similarity_error(self, output: Tensor, indexes: Sequence[int]) -> Tensor:
        """The mean squared error of cosines with a bank of the teacher's answers, in units of their spread.

        Errors in directions that tell no two texts apart cost nothing here; the ranking of texts is what counts.
        """
        apart = functional.normalize(output, dim=-1) - self.answers[list(indexes)].to(output.device)
        bank = self.answers[torch.randint(len(self.answers), (SIMILARITY_BANK,))].to(output.device)
        with fast_arithmetic():
            errors = (apart @ bank.T).float()
        return errors.square().mean() / self.similarity_spread.to(output.device)

    def _pair_error(self, output: Tensor, batch: Tensor, partners: Tensor) -> Tensor:
        """Cross-entropy of finding each partner's answer among a random bank of others; 0 for a batch without pairs."""
        own = batch[partners[batch] >= 0]
        if not len(own):
            return output.new_zeros(())
        unit = functional.normalize(output[partners[batch] >= 0], dim=-1)
        right = (unit * self.answers[partners[own]].to(output.device)).sum(dim=-1, keepdim=True)
        bank = torch.randint(len(self.answers), (PAIR_BANK,))
        with fast_arithmetic():
            others = (unit @ self.answers[bank].to(output.device).T).float()
        # An example is not to be told from itself, nor from the partner it is meant to find.
        known = (bank == own[:, None]) | (bank == partners[own][:, None])
        others = others.masked_fill(known.to(output.device), -torch.inf)
        scores = torch.cat([right, others], dim=1) / PAIR_TEMPERATURE
        return functional.cross_entropy(scores, torch.zeros(len(scores), dtype=torch.long, device=scores.device))

    def _side_by_side(
        self, vectors: Tensor, recorded: Tensor, indexes: Sequence[int]
    ) -> tuple[list[Tensor], list[Tensor]]:
        """The student's and the teacher's vectors of each example's units."""
        assert self.units is not None
        numbers, offsets, offset = [], [], 0
        for index in indexes:
            numbers.append(self.units.of(index) + offset)
            offsets.append(offset)
            offset += self.units.count(index)
        tokens = torch.cat([vectors[row, : len(own)] for row, own in enumerate(numbers)])
        joined = means(tokens, torch.cat(numbers).to(vectors.device), offset)
        found, wanted = [], []
        for index, place in zip(indexes, offsets, strict=True):
            kept = self._shared(index)
            found.append(joined[place : place + kept])
            wanted.append(recorded[int(self.targets.starts[index]) :][:kept].to(vectors.device).float())
        return found, wanted

    def _shared(self, index: int) -> int:
        """How many units both sides see: when one side cuts a text shorter, its last unit is not the same."""
        assert self.units is not None
        own, theirs = self.units.count(index), int(self.targets.starts[index + 1] - self.targets.starts[index])
        return own if own == theirs else min(own, theirs) - 1
