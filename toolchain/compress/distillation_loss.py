"""The loss of distillation: outputs, hidden vectors, relations and similarities of a student beside its teacher's.

In:  a student of any family, a teacher's recorded `Targets`, and how much each part counts.
Out: the weighted loss of a batch. A part that the student's family does not know is left out by `distill`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from edgewright.compress import relations
from edgewright.compress.targets import Targets
from edgewright.models.capabilities import HIDDEN_STATES
from edgewright.models.families import offered
from edgewright.models.inputs import Inputs, batch_for
from edgewright.models.text import fast_arithmetic
from edgewright.models.units import Joined, Units, ranges, rows_at

SPREAD_SAMPLE = 1 << 16  # hidden vectors that the scale of the hidden loss is taken from
BANK = (
    4096  # of the teacher's outputs, that a student's similarities are compared on and a partner is distinguished from
)
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


class _Bank:
    """The teacher's outputs, (examples, outputs), normalised and in random order: a slice is a random sample.

    To gather as many rows from all over memory costs a student more time than its attention.
    """

    def __init__(self, outputs: Tensor, seed: int) -> None:
        self.order = torch.randperm(len(outputs), generator=torch.Generator().manual_seed(seed))
        self.rows = functional.normalize(outputs[self.order], dim=-1)
        self.places = torch.empty_like(self.order)
        self.places[self.order] = torch.arange(len(self.order))

    def of(self, indexes: Tensor) -> Tensor:
        """The outputs for these examples."""
        return self.rows[self.places[indexes]]

    def sample(self) -> tuple[Tensor, Tensor]:
        """(indexes, outputs) of at most `BANK` examples."""
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


class DistillationLoss:
    """The loss of one training phase: what is compared, and on which scale."""

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
        self.states = offered(student, HIDDEN_STATES)
        self.units = self.states.units(student, inputs) if self.states else None
        self.output_each_unit = self.states.output_each_unit(student) if self.states else False
        self.vectors: list[_Vectors] = []
        if weights.hidden:
            self.vectors.append(_Vectors.of(-1, targets.hidden, weights.hidden))
        if weights.intermediate:
            layer_weight = weights.intermediate / len(followed)
            self.vectors += [_Vectors.of(state, targets.intermediate[place], layer_weight) for state, place in followed]
        if weights.similarity or weights.pair:
            self.bank = _Bank(targets.outputs, seed)
        if weights.similarity:
            sample = self.bank.rows[:BANK]
            self.similarity_spread = (sample @ sample.T).var().clamp(min=LEAST_SPREAD)

    def loss_of(self, indexes: Sequence[int]) -> Tensor:
        """The weighted sum over a batch."""
        batch = batch_for(self.student, self.inputs, indexes)  # the model is moved while it trains
        if self.states is None or self.units is None:
            return self._loss_of_outputs(batch, indexes)
        weights = self.weights
        with fast_arithmetic():
            states = self.states.states(self.student, *batch)
            related = self.states.relations(self.student, states[-2]).float() if weights.relation else None
            output = self.states.outputs(self.student, states[-1].float(), *batch).float()
        by_unit = self.vectors or weights.relation or self.output_each_unit
        shared = self._shared(self.units, indexes) if by_unit else None
        loss = weights.output * self._output_error(output, shared, indexes)
        if shared:
            for each in self.vectors:
                loss = loss + each.weight * self._vectors_error(states[each.state].float(), each, shared)
        if shared and related is not None:
            loss = loss + weights.relation * self._relation_error(related, shared)
        if weights.similarity or weights.pair:
            loss = loss + self._bank_error(output, torch.tensor(indexes))
        return loss

    def _loss_of_outputs(self, batch: tuple[Tensor, ...], indexes: Sequence[int]) -> Tensor:
        """That of a student without hidden states."""
        with fast_arithmetic():
            outputs = self.student(*batch).float()
        return self.weights.output * self.imitation(outputs, self.targets.outputs[list(indexes)].to(outputs.device))

    def _output_error(self, output: Tensor, shared: _Shared | None, indexes: Sequence[int]) -> Tensor:
        if shared is None or not self.output_each_unit:
            return self.imitation(output, self.targets.outputs[list(indexes)].to(output.device))
        wanted = rows_at(self.targets.outputs, shared.theirs).to(output.device)
        return self.imitation(rows_at(shared.joined.firsts(output), shared.ours), wanted)

    def _vectors_error(self, outputs: Tensor, wanted: _Vectors, shared: _Shared) -> Tensor:
        """The mean squared error of hidden vectors, in units of their spread."""
        ours, theirs = self._side_by_side(outputs, wanted.recorded, shared)
        return functional.mse_loss(ours, theirs) / wanted.spread.to(ours.device)

    def _relation_error(self, queries: Tensor, shared: _Shared) -> Tensor:
        found, wanted = self._side_by_side(queries, self.targets.attention, shared)
        counts = shared.counts.tolist()
        return relations.error(found.split(counts), wanted.split(counts))

    def _bank_error(self, output: Tensor, batch: Tensor) -> Tensor:
        """Both errors that are measured on a sample of the teacher's outputs, each with its weight."""
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
        """Cross-entropy of finding each partner's output among the bank's; 0 for a batch without pairs."""
        paired = partners >= 0
        own, partners, unit = batch[paired, None], partners[paired, None], unit[paired.to(unit.device)]
        if not len(own):
            return unit.new_zeros(())
        right = (unit * self.bank.of(partners[:, 0]).to(unit.device)).sum(dim=-1, keepdim=True)
        with fast_arithmetic():
            others = (unit @ bank.T).float()
        # An example is not to be distinguished from itself, nor from the partner it is meant to find.
        known = (indexes == own) | (indexes == partners)
        others = others.masked_fill(known.to(unit.device), -torch.inf)
        scores = torch.cat([right, others], dim=1) / PAIR_TEMPERATURE
        return functional.cross_entropy(scores, torch.zeros(len(scores), dtype=torch.long, device=scores.device))

    def _side_by_side(self, vectors: Tensor, recorded: Tensor, shared: _Shared) -> tuple[Tensor, Tensor]:
        """The student's and the teacher's vectors of the units that both see, (units, width) each."""
        own = rows_at(shared.joined.means(vectors), shared.ours)
        return own, rows_at(recorded, shared.theirs).to(vectors.device).float()

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
