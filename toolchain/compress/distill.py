"""Train a student towards its teacher's outputs, on examples without labels.

In:  a teacher's recorded outputs (`Targets`), a student of any family, and the same examples as the student takes them.
Out: the student, trained in place.
What is compared is `distillation_loss`'s concern. Batches are of like size and never padded to a maximum.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Unpack

import torch
from torch import Tensor, nn

from edgewright.compress.distillation_loss import DistillationLoss, Imitation, Weights
from edgewright.compress.targets import Targets
from edgewright.models.capabilities import HIDDEN_STATES
from edgewright.models.families import offered
from edgewright.models.inputs import Inputs
from edgewright.models.schedule import Schedule, Trained
from edgewright.models.training import TrainingOptions, train


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
    **options: Unpack[TrainingOptions],
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
    - the outputs' similarities to a random bank of the teacher's outputs: what a search ranks by;
    - where pairs are known, `partners` (examples,) has the index of each example's partner or -1, and the student
      also learns to put an example next to its partner, as the teacher sees that one, rather than next to others: the
      contrastive loss of van den Oord et al. 2018 against the teacher's outputs.
    `setting` is what an error asks to lower; the `options` are `train`'s. Raises `TrainingError` when the loss is
    no longer a number.
    """
    followed = _followed(targets, layers)
    possible = _possible(student, targets, weights, followed, partners)
    loss = DistillationLoss(
        student, targets, inputs, imitation, possible, followed, partners=partners, seed=schedule.seed
    )
    return train(student, inputs.sizes, loss.loss_of, schedule, setting=setting, **options)


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
    states = offered(student, HIDDEN_STATES)
    if states is None:
        return replace(weights, hidden=0.0, intermediate=0.0, relation=0.0, similarity=0.0, pair=0.0)
    width = states.width(student)
    if width != targets.hidden.shape[-1] or not len(targets.hidden):
        weights = replace(weights, hidden=0.0)
    if width != targets.intermediate.shape[-1] or not followed:
        weights = replace(weights, intermediate=0.0)
    if not (states.relations_width(student) and len(targets.attention)):
        weights = replace(weights, relation=0.0)
    if not states.embeds(student):
        weights = replace(weights, similarity=0.0, pair=0.0)
    if len(targets.outputs) < 2:  # nothing to be similar to
        weights = replace(weights, similarity=0.0)
    return weights if partners is not None else replace(weights, pair=0.0)
