"""Teach a student to answer as its teacher does, on examples without labels.

In:  a teacher's recorded answers (`Targets`), a student, and the same examples as the student takes them.
Out: the student, trained in place.
The teacher runs once; its answers are kept on disk. Batches are of like size and never padded to a maximum.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.lib.format import open_memmap
from torch import Tensor, nn
from torch.nn import functional

from edgewright.compress import relations
from edgewright.compress.units import Joined, Units, ranges, rows_at, units_of
from edgewright.models.compute_device import on_accelerator
from edgewright.models.inputs import Inputs, batch_for, in_batches
from edgewright.models.model import TransformerModel
from edgewright.models.text import batches, fast_arithmetic
from edgewright.models.training import Schedule, Trained, train

RECORDED_TOKENS = 4096  # of a batch that the teacher is asked at once
SPREAD_SAMPLE = 1 << 16  # hidden vectors that the scale of the hidden loss is taken from
BANK = 4096  # of the teacher's answers, that a student's similarities are compared on and a partner is told from
PAIR_TEMPERATURE = 0.05
LEAST_SPREAD = 1e-4  # of similarities, below which they are taken to be all the same

Imitation = Callable[[Tensor, Tensor], Tensor]  # outputs and the teacher's → how far they are apart


@dataclass(frozen=True, kw_only=True)
class Weights:
    """How much each part of the loss counts; 0 leaves it out."""

    output: float = 10.0  # a cosine's loss is small beside the hidden one; this makes both count
    hidden: float = 1.0
    intermediate: float = 0.0
    relation: float = 0.0
    similarity: float = 0.0
    pair: float = 0.0


@dataclass(frozen=True, kw_only=True)
class Targets:
    """What the teacher says of each example.

    `outputs` is (examples, outputs), or (all units, outputs) where each token has its own. A unit is what hidden
    vectors are compared by: a word of a text, a patch of an image. `hidden` is (all units, width) in float16, example
    after example: the teacher's last hidden vectors; `intermediate` (n, all units, width) those that enter the layers
    `entered` (n,); `attention` (all units, 3 × inner) its last layer's queries, keys and values. Each is empty where
    nothing asks for it. Example i has the units `starts[i]` to `starts[i + 1]`.
    """

    outputs: Tensor
    hidden: Tensor
    intermediate: Tensor
    entered: Tensor
    attention: Tensor
    starts: Tensor

    def write_small(self, folder: Path) -> None:
        """The parts that are not mapped to files of `folder` from the start, each as a file that `load` reads."""
        for name in ("outputs", "entered", "starts"):
            np.save(folder / f"{name}.npy", getattr(self, name).numpy())

    @classmethod
    def load(cls, folder: Path) -> Targets:
        """Those that were recorded into `folder`, mapped from disk."""
        files = {each.name: folder / f"{each.name}.npy" for each in fields(cls)}
        return cls(**{name: torch.from_numpy(np.load(file, mmap_mode="c")) for name, file in files.items()})

    def counts(self) -> Tensor:
        """How many units each example has, (examples,)."""
        return self.starts.diff()


def record_targets(
    teacher: nn.Module,
    inputs: Inputs,
    *,
    hidden: bool = True,
    entered: Sequence[int] = (),
    attention: bool = False,
    folder: Path | None = None,
    told: Callable[[int, int], None] | None = None,
) -> Targets:
    """Run the teacher once over `inputs`; `told` hears (examples done, examples).

    The teacher moves to the GPU, where there is one, for as long as it is asked; what it says is in main memory.
    Of the layers `entered` the hidden vectors that come in are recorded too. A model that is no `TransformerModel` has
    outputs alone. With a `folder` everything goes into files of it, which `Targets.load` reads; vectors as they come,
    so that memory need not hold them: three states of a million words are 2.3 GB at a width of 384.
    """
    with on_accelerator(teacher), torch.inference_mode():  # what is moved within inference cannot be trained again
        if not isinstance(teacher, TransformerModel):
            targets = _outputs_alone(teacher, inputs, folder, told)
        else:
            record = _Record(teacher, inputs, hidden=hidden, entered=entered, attention=attention, folder=folder)
            done = 0
            with fast_arithmetic():
                for indexes in in_batches(teacher.encoder, inputs, RECORDED_TOKENS):
                    record.add(indexes)
                    done += len(indexes)
                    if told:
                        told(done, len(inputs))
            targets = record.targets()
    if folder is not None:
        targets.write_small(folder)
    return targets


class _Record:
    """A transformer's answers as they come, batch by batch and in any order."""

    def __init__(
        self,
        teacher: TransformerModel,
        inputs: Inputs,
        *,
        hidden: bool,
        entered: Sequence[int],
        attention: bool,
        folder: Path | None,
    ) -> None:
        self.teacher, self.inputs = teacher, inputs
        self.units = units_of(teacher.encoder, inputs)
        counts = self.units.counts(range(len(inputs)))
        self.starts = torch.cat([counts.new_zeros(1), counts.cumsum(0)])
        width, last = teacher.encoder.shape.width, teacher.encoder.shape.layers[-1]
        inner = 3 * last.heads * last.head_width
        rows = int(self.starts[-1])
        self.entered = torch.tensor(entered, dtype=torch.long)
        self.hidden = _room(folder, "hidden", rows if hidden else 0, width)
        self.intermediate = _room(folder, "intermediate", len(entered), rows, width)
        self.attention = _room(folder, "attention", rows if attention else 0, inner)
        self.each = teacher.head.shape.pooling == "each"
        self.outputs: list[Tensor] = [torch.empty(0)] * len(inputs)

    def add(self, indexes: Sequence[int]) -> None:
        """One batch."""
        encoder, batch = self.teacher.encoder, batch_for(self.teacher, self.inputs, indexes)
        states = encoder.all_hidden(*batch)
        outputs = self.teacher.head(states[-1].float(), encoder.mask(*batch)).float()
        joined = self.units.joined(indexes)
        rows = joined.firsts(outputs).split(joined.counts.tolist()) if self.each else outputs
        for index, row in zip(indexes, rows, strict=True):
            self.outputs[index] = row.cpu()
        places = ranges(self.starts[list(indexes)], joined.counts)
        if len(self.hidden):
            self.hidden[places] = joined.means(states[-1].float()).half().cpu()
        for recorded, layer in zip(self.intermediate, self.entered.tolist(), strict=True):
            recorded[places] = joined.means(states[layer].float()).half().cpu()
        if len(self.attention):
            self.attention[places] = joined.means(relations.joined(encoder, states[-2]).float()).half().cpu()

    def targets(self) -> Targets:
        """All of it."""
        outputs = torch.cat(self.outputs) if self.each else torch.stack(self.outputs)
        return Targets(
            outputs=outputs,
            hidden=self.hidden,
            intermediate=self.intermediate,
            entered=self.entered,
            attention=self.attention,
            starts=self.starts,
        )


def _room(folder: Path | None, name: str, *shape: int) -> Tensor:
    """An empty half-precision tensor: in memory, or mapped to a file that `Targets.load` reads.

    Raises `OSError` when the disk has no room for it, rather than be killed while the file fills.
    """
    if folder is None:
        return torch.empty(shape, dtype=torch.float16)
    path = folder / f"{name}.npy"
    mapped = open_memmap(path, mode="w+", dtype=np.float16, shape=shape)
    if hasattr(os, "posix_fallocate"):
        with path.open("r+b") as file:
            os.posix_fallocate(file.fileno(), 0, path.stat().st_size)
    return torch.from_numpy(mapped)


def _outputs_alone(
    teacher: nn.Module, inputs: Inputs, folder: Path | None, told: Callable[[int, int], None] | None
) -> Targets:
    found: list[Tensor] = [torch.empty(0)] * len(inputs)
    done = 0
    for indexes in batches(inputs.sizes, 256):
        answers = teacher(*batch_for(teacher, inputs, indexes)).float().cpu()
        for index, row in zip(indexes, answers, strict=True):
            found[index] = row
        done += len(indexes)
        if told:
            told(done, len(inputs))
    return Targets(
        outputs=torch.stack(found),
        hidden=_room(folder, "hidden", 0, 0),
        intermediate=_room(folder, "intermediate", 0, 0, 0),
        entered=torch.empty(0, dtype=torch.long),
        attention=_room(folder, "attention", 0, 0),
        starts=torch.zeros(len(inputs) + 1, dtype=torch.long),
    )


def distill(
    student: nn.Module,
    targets: Targets,
    inputs: Inputs,
    schedule: Schedule,
    *,
    imitation: Imitation,
    weights: Weights,
    layers: Sequence[int] = (),
    partners: Tensor | None = None,
    setting: str = "stages.distill.learning_rate",
    **training: Any,
) -> Trained:
    """Train `student` in place; `inputs` are the examples the targets were recorded on, as the student takes them.

    The loss joins, as `weights` say:
    - the outputs, by the task's `imitation`;
    - the last hidden vectors, compared a unit at a time because a student with fewer pieces may split a word
      otherwise; only where the widths agree;
    - in the same way what passes from layer to layer, where `layers` has for each of the student's layers the number of
      the teacher's layer that it stands for: a layer's output is to be what enters the next one's original, as far as
      that was recorded (the intermediate layers of Jiao et al. 2020, TinyBERT, by the mapping that pruning gives);
    - relations between units in the last layer's attention (`relations`), whatever the widths;
    - the outputs' similarities to a random bank of the teacher's answers: what a search ranks by;
    - where pairs are known, `partners` (examples,) has the index of each example's partner or -1, and the student
      also learns to put an example next to its partner, as the teacher sees that one, rather than next to others: the
      contrastive loss of van den Oord et al. 2018 against the teacher's answers.
    `setting` is what an error asks to lower; further arguments are `train`'s. Raises `TrainingError` when the loss is
    no longer a number.
    """
    followed = _followed(targets, layers)
    possible = _possible(student, targets, weights, followed, partners)
    lesson = _Lesson(student, targets, inputs, imitation, possible, followed, partners=partners, seed=schedule.seed)
    return train(student, inputs.sizes, lesson.loss_of, schedule, setting=setting, **training)


def partners_of(texts: Sequence[str], pairs: Iterable[tuple[str, str]]) -> Tensor:
    """For each text the index of the text it is paired with, (texts,) int64; -1 where there is none."""
    place = {text: index for index, text in enumerate(texts)}
    partners = torch.full((len(texts),), -1)
    for left, right in pairs:
        if left in place and right in place:
            partners[place[left]], partners[place[right]] = place[right], place[left]
    return partners


def _followed(targets: Targets, layers: Sequence[int]) -> tuple[tuple[int, int], ...]:
    """(state of the student, place among the recorded ones) of each state between layers that was recorded."""
    places = {layer: place for place, layer in enumerate(targets.entered.tolist())}
    return tuple((index + 1, places[layer]) for index, layer in enumerate(layers[1:]) if layer in places)


def _possible(
    student: nn.Module,
    targets: Targets,
    weights: Weights,
    followed: Sequence[tuple[int, int]],
    partners: Tensor | None,
) -> Weights:
    """The weights without the parts that this student or these targets do not allow."""
    if not isinstance(student, TransformerModel):
        return replace(weights, hidden=0.0, intermediate=0.0, relation=0.0, similarity=0.0, pair=0.0)
    width = student.encoder.shape.width
    if width != targets.hidden.shape[-1] or not len(targets.hidden):
        weights = replace(weights, hidden=0.0)
    if width != targets.intermediate.shape[-1] or not followed:
        weights = replace(weights, intermediate=0.0)
    if not (student.encoder.shape.layers and student.encoder.shape.layers[-1].heads and len(targets.attention)):
        weights = replace(weights, relation=0.0)
    if student.head.shape.classes:
        weights = replace(weights, similarity=0.0, pair=0.0)
    if len(targets.outputs) < 2:  # nothing to be similar to
        weights = replace(weights, similarity=0.0)
    return weights if partners is not None else replace(weights, pair=0.0)


class _Bank:
    """The teacher's answers, (examples, outputs), normalised and in random order: a slice is a random sample.

    To gather as many rows from all over memory costs a student more time than its attention.
    """

    def __init__(self, outputs: Tensor, seed: int) -> None:
        self.order = torch.randperm(len(outputs), generator=torch.Generator().manual_seed(seed))
        self.rows = functional.normalize(outputs[self.order], dim=-1)
        self.places = torch.empty_like(self.order)
        self.places[self.order] = torch.arange(len(self.order))

    def of(self, indexes: Tensor) -> Tensor:
        """The answers to these examples."""
        return self.rows[self.places[indexes]]

    def sample(self) -> tuple[Tensor, Tensor]:
        """(indexes, answers) of at most `BANK` examples."""
        start = int(torch.randint(max(len(self.rows) - BANK, 0) + 1, ()))
        part = slice(start, start + BANK)
        return self.order[part], self.rows[part]


class _Shared(NamedTuple):
    """The units of a batch that student and teacher both see: when one side cuts a text shorter, its last differs.

    `ours` are their places among the student's units, `theirs` among all recorded ones, and `counts` how many each
    example has.
    """

    joined: Joined
    ours: Tensor
    theirs: Tensor
    counts: Tensor


class _Vectors(NamedTuple):
    """Hidden vectors to be learned: of which of the student's states, and how much each unit of spread counts.

    `recorded` is (all units, width), `spread` the mean variance of a sample of it.
    """

    state: int
    recorded: Tensor
    spread: Tensor
    weight: float

    @classmethod
    def of(cls, state: int, recorded: Tensor, weight: float) -> _Vectors:
        return cls(state, recorded, recorded[:SPREAD_SAMPLE].float().var(dim=0).mean(), weight)


class _Lesson:
    """The loss of one training: what is compared, and on which scale."""

    def __init__(
        self,
        student: nn.Module,
        targets: Targets,
        inputs: Inputs,
        imitation: Imitation,
        weights: Weights,
        followed: Sequence[tuple[int, int]],
        *,
        partners: Tensor | None,
        seed: int,
    ) -> None:
        self.student, self.targets, self.inputs = student, targets, inputs
        self.imitation, self.weights, self.partners = imitation, weights, partners
        self.units: Units | None = None
        if isinstance(student, TransformerModel):
            self.units = units_of(student.encoder, inputs)
            self.each = student.head.shape.pooling == "each"
        self.vectors: list[_Vectors] = []
        if weights.hidden:
            self.vectors.append(_Vectors.of(-1, targets.hidden, weights.hidden))
        if weights.intermediate:
            each_weight = weights.intermediate / len(followed)
            self.vectors += [_Vectors.of(state, targets.intermediate[place], each_weight) for state, place in followed]
        if weights.similarity or weights.pair:
            self.bank = _Bank(targets.outputs, seed)
        if weights.similarity:
            sample = self.bank.rows[:BANK]
            self.similarity_spread = (sample @ sample.T).var().clamp(min=LEAST_SPREAD)

    def loss_of(self, indexes: Sequence[int]) -> Tensor:
        """The weighted sum over a batch."""
        student = self.student
        batch = batch_for(student, self.inputs, indexes)  # the model is moved while it trains
        if not isinstance(student, TransformerModel) or self.units is None:
            with fast_arithmetic():
                outputs = student(*batch).float()
            return self.weights.output * self.imitation(outputs, self.targets.outputs[list(indexes)].to(outputs.device))
        with fast_arithmetic():
            states = student.encoder.all_hidden(*batch)
            queries = relations.joined(student.encoder, states[-2]).float() if self.weights.relation else None
            output = student.head(states[-1].float(), student.encoder.mask(*batch)).float()
        weights = self.weights
        by_unit = self.vectors or weights.relation or self.each
        shared = self._shared(self.units, indexes) if by_unit else None
        loss = weights.output * self._output_error(output, shared, indexes)
        if shared:
            for each in self.vectors:
                loss = loss + each.weight * self._vectors_error(states[each.state].float(), each, shared)
        if shared and queries is not None:
            loss = loss + weights.relation * self._relation_error(queries, shared)
        if weights.similarity or weights.pair:
            loss = loss + self._bank_error(output, torch.tensor(indexes))
        return loss

    def _output_error(self, output: Tensor, shared: _Shared | None, indexes: Sequence[int]) -> Tensor:
        if shared is None or not self.each:
            return self.imitation(output, self.targets.outputs[list(indexes)].to(output.device))
        wanted = rows_at(self.targets.outputs, shared.theirs).to(output.device)
        return self.imitation(rows_at(shared.joined.firsts(output), shared.ours), wanted)

    def _vectors_error(self, found: Tensor, wanted: _Vectors, shared: _Shared) -> Tensor:
        """The mean squared error of hidden vectors, in units of their spread."""
        ours, theirs = self._side_by_side(found, wanted.recorded, shared)
        return functional.mse_loss(ours, theirs) / wanted.spread.to(ours.device)

    def _relation_error(self, queries: Tensor, shared: _Shared) -> Tensor:
        found, wanted = self._side_by_side(queries, self.targets.attention, shared)
        counts = shared.counts.tolist()
        return relations.error(found.split(counts), wanted.split(counts))

    def _bank_error(self, output: Tensor, batch: Tensor) -> Tensor:
        """Both errors that are told on a sample of the teacher's answers, each with its weight."""
        indexes, bank = self.bank.sample()
        bank, unit = bank.to(output.device), functional.normalize(output, dim=-1)
        loss = output.new_zeros(())
        if self.weights.similarity:
            loss = loss + self.weights.similarity * self._similarity_error(unit, batch, bank)
        if self.weights.pair and self.partners is not None:
            loss = loss + self.weights.pair * self._pair_error(unit, batch, self.partners[batch], indexes, bank)
        return loss

    def _similarity_error(self, unit: Tensor, batch: Tensor, bank: Tensor) -> Tensor:
        """The mean squared error of cosines with the bank, in units of their spread.

        Errors in directions that tell no two texts apart cost nothing here; the ranking of texts is what counts.
        """
        apart = unit - self.bank.of(batch).to(unit.device)
        with fast_arithmetic():
            errors = (apart @ bank.T).float()
        return errors.square().mean() / self.similarity_spread.to(unit.device)

    def _pair_error(self, unit: Tensor, batch: Tensor, partners: Tensor, indexes: Tensor, bank: Tensor) -> Tensor:
        """Cross-entropy of finding each partner's answer among the bank's; 0 for a batch without pairs."""
        paired = partners >= 0
        own, partners, unit = batch[paired, None], partners[paired, None], unit[paired.to(unit.device)]
        if not len(own):
            return unit.new_zeros(())
        right = (unit * self.bank.of(partners[:, 0]).to(unit.device)).sum(dim=-1, keepdim=True)
        with fast_arithmetic():
            others = (unit @ bank.T).float()
        # An example is not to be told from itself, nor from the partner it is meant to find.
        known = (indexes == own) | (indexes == partners)
        others = others.masked_fill(known.to(unit.device), -torch.inf)
        scores = torch.cat([right, others], dim=1) / PAIR_TEMPERATURE
        return functional.cross_entropy(scores, torch.zeros(len(scores), dtype=torch.long, device=scores.device))

    def _side_by_side(self, vectors: Tensor, recorded: Tensor, shared: _Shared) -> tuple[Tensor, Tensor]:
        """The student's and the teacher's vectors of the units that both see, (units, width) each."""
        found = rows_at(shared.joined.means(vectors), shared.ours)
        return found, rows_at(recorded, shared.theirs).to(vectors.device).float()

    def _shared(self, units: Units, indexes: Sequence[int]) -> _Shared:
        joined, starts, chosen = units.joined(indexes), self.targets.starts, torch.tensor(indexes)
        own, theirs = joined.counts, starts[chosen + 1] - starts[chosen]
        counts = torch.where(own == theirs, own, torch.minimum(own, theirs) - 1)
        return _Shared(
            joined=joined,
            ours=ranges(own.cumsum(0) - own, counts),
            theirs=ranges(starts[chosen], counts),
            counts=counts,
        )
