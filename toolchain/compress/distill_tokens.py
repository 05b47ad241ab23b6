"""Train a student that predicts tokens towards what its teacher says of them, on texts packed into rows.

In:  a teacher's recorded `TokenTargets`, a student, and the rows they were recorded on.
Out: the student, trained in place by the one training loop.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Unpack

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from edgewright.compress.token_loss import TokenWeights, Wanted, loss_of_states
from edgewright.compress.token_targets import TokenTargets, Values
from edgewright.models.capabilities import PREDICTS_TOKENS
from edgewright.models.compiled_layers import layer_runner
from edgewright.models.compute_device import device_of
from edgewright.models.decoder import Through
from edgewright.models.families import required
from edgewright.models.packing import PackedRows
from edgewright.models.schedule import Schedule, Trained
from edgewright.models.text import wide_arithmetic
from edgewright.models.training import TrainingOptions, train

HIDDEN_UNTIL = 0.5  # the share of a training by which hidden vectors have faded out
SPREAD_SAMPLE = 1 << 14  # hidden vectors that the scale of their loss is taken from


@dataclass(frozen=True, kw_only=True)
class TokenDistillation:
    """How much each part of the loss counts; `hidden` and `intermediate` at the beginning, from where they fade out."""

    tokens: TokenWeights
    hidden: float = 0.0
    intermediate: float = 0.0


def distill_tokens(
    student: nn.Module,
    targets: TokenTargets,
    rows: PackedRows,
    schedule: Schedule,
    weights: TokenDistillation,
    *,
    layers: Sequence[int] = (),
    setting: str = "stages.distill.learning_rate",
    **options: Unpack[TrainingOptions],
) -> Trained:
    """Train `student` in place on the `rows` that the targets were recorded on.

    The loss is one of counted tokens alone: the divergence from the teacher's likeliest tokens and the mass of the
    rest, the true token's cross-entropy, and the squared error of hidden vectors in units of their spread, which falls
    to nothing by the middle of the training. `layers` has for each of the student's layers the number of the teacher's
    that it stands for; vectors are compared where widths agree and they were recorded. `setting` is what an error asks
    to lower; the `options` are `train`'s. Raises `TrainingError` when the loss is no longer a number.
    """
    loss = TokenDistillationLoss(student, targets, rows, schedule, weights, layers)
    return train(student, rows.sizes, loss.loss_of, schedule, setting=setting, on_share=loss.at, **options)


@dataclass(frozen=True, kw_only=True)
class _Vectors:
    """Hidden vectors to be learned: of which of the student's states, and their mean variance."""

    state: int
    recorded: Values
    spread: float
    weight: float


class TokenDistillationLoss:
    """The loss of one training phase."""

    def __init__(
        self,
        student: nn.Module,
        targets: TokenTargets,
        rows: PackedRows,
        schedule: Schedule,
        weights: TokenDistillation,
        layers: Sequence[int],
    ) -> None:
        self.student, self.targets, self.rows, self.weights = student, targets, rows, weights
        self.tokens = required(student, PREDICTS_TOKENS, setting="stages.distill.enabled")
        self.width = self.tokens.width(student)
        self.vectors = _vectors(targets, layers, self.width, weights)
        self.share = 0.0
        # So that every token counts alike, whatever batch it is in and however many processes share the batches.
        self.counted_in_row = max(1.0, float(rows.counts.sum()) / len(rows))
        self.usual_rows = max(1, schedule.batch_tokens // rows.length)
        work = schedule.tokens or (schedule.epochs or 1.0) * sum(rows.sizes)
        self.work = work
        self.through: Through | None = None

    def at(self, share: float) -> None:
        """Hear how much of the training is done."""
        self.share = share

    def loss_of(self, indexes: Sequence[int]) -> Tensor:
        """The loss of a batch of rows, a token on average."""
        place = device_of(self.student)  # the model is moved while it trains
        if self.through is None:
            size = (self.usual_rows, self.rows.length)
            self.through = layer_runner(self.student, tokens=3 * self.work, size=size, training=True)
        batch = self.rows.batch(indexes, rows=self.usual_rows).to(place)
        counted = self.rows.recorded_places(batch)
        tokens, shares = self.targets.likeliest(counted, place)
        with wide_arithmetic(self.width):
            states = self.tokens.packed_states(self.student, batch.ids, batch.places, batch.texts, self.through)
            closed = states[-1].flatten(0, 1).index_select(0, batch.predicting)
            loss = loss_of_states(
                lambda some: self.tokens.token_logits(self.student, some),
                closed,
                Wanted(tokens=tokens, shares=shares, true=batch.following),
                self.weights.tokens,
                vocabulary=self.tokens.pieces(self.student),
            )
        loss = loss / (len(indexes) * self.counted_in_row)
        fading = max(0.0, 1.0 - self.share / HIDDEN_UNTIL)
        if fading and len(counted):
            for each in self.vectors:
                own = states[each.state].flatten(0, 1).index_select(0, batch.predicting)
                wanted = torch.from_numpy(each.recorded[counted.numpy()]).to(place).float()
                loss = loss + fading * each.weight * functional.mse_loss(own.float(), wanted) / each.spread
        return loss


def _vectors(
    targets: TokenTargets, layers: Sequence[int], width: int, weights: TokenDistillation
) -> tuple[_Vectors, ...]:
    found = []
    if weights.hidden and len(targets.hidden) and targets.hidden.shape[-1] == width:
        found.append(_of(-1, targets.hidden, weights.hidden))
    places = {layer: place for place, layer in enumerate(targets.entered)}
    followed = [(index + 1, places[layer]) for index, layer in enumerate(layers[1:]) if layer in places]
    if weights.intermediate and targets.intermediate.shape[-1] == width:
        weight = weights.intermediate / max(len(followed), 1)
        found += [_of(state, targets.intermediate[place], weight) for state, place in followed]
    return tuple(found)


def _of(state: int, recorded: Values, weight: float) -> _Vectors:
    spread = float(np.asarray(recorded[:SPREAD_SAMPLE], dtype=np.float32).var(axis=0).mean())
    return _Vectors(state=state, recorded=recorded, spread=max(spread, 1e-12), weight=weight)
