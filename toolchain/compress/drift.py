"""Where in its depth a student leaves its teacher.

In:  a student, its teacher, which of the teacher's layers each of the student's stands for, and the same inputs.
Out: for each layer of the student how far its output is from the teacher's at the same place.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from edgewright.models.capabilities import FACTORISABLE, HIDDEN_STATES
from edgewright.models.families import offered
from edgewright.models.inputs import Inputs
from edgewright.models.text import batches

BATCH_TOKENS = 4096


@torch.inference_mode()
def drift(student: nn.Module, teacher: nn.Module, places: Sequence[int], inputs: Inputs) -> list[dict[str, float]]:
    """The mean cosine of the residual streams after each of the student's layers, over all tokens.

    The student's layer i stands for the teacher's layers from `places[i]` to the one before `places[i + 1]`. Where
    the widths differ nothing can be compared, and the list is empty; as it is for models without hidden states.
    """
    own, states = offered(student, HIDDEN_STATES), offered(teacher, HIDDEN_STATES)
    if own is None or states is None or own.width(student) != states.width(teacher) or not places:
        return []
    tokens_each = states.tokens_each(teacher)
    totals, tokens = [0.0] * len(places), 0.0
    for indexes in batches(inputs.sizes, max(1, BATCH_TOKENS // tokens_each)):
        batch = inputs.batch(indexes)
        ours, theirs = own.states(student, *batch)[1:], states.states(teacher, *batch)
        ends = [*places[1:], len(theirs) - 1]
        weights = _counted(student, ours[0], batch)
        tokens += float(weights.sum())
        for layer, (hidden, end) in enumerate(zip(ours, ends, strict=True)):
            totals[layer] += float((functional.cosine_similarity(hidden, theirs[end], dim=-1) * weights).sum())
    return [
        {"layer": layer, "from_layer": place, "cosine": total / tokens}
        for layer, (place, total) in enumerate(zip(places, totals, strict=True))
    ]


def _counted(student: nn.Module, hidden: Tensor, batch: tuple[Tensor, ...]) -> Tensor:
    """(examples, tokens) of ones, and zeros for padding."""
    matrices = offered(student, FACTORISABLE)
    mask = matrices.counted(student, *batch) if matrices else None
    return torch.ones(hidden.shape[:2]) if mask is None else mask
