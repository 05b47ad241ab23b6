"""Where in its depth a student leaves its teacher.

In:  a student, its teacher, which of the teacher's layers each of the student's stands for, and the same inputs.
Out: for each layer of the student how far its output is from the teacher's at the same place.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch.nn import functional

from edgewright.models.inputs import Inputs, in_batches
from edgewright.models.model import TransformerModel

BATCH_TOKENS = 4096


@torch.inference_mode()
def drift(
    student: TransformerModel, teacher: TransformerModel, places: Sequence[int], inputs: Inputs
) -> list[dict[str, float]]:
    """The mean cosine of the residual streams after each of the student's layers, over all tokens.

    The student's layer i stands for the teacher's layers from `places[i]` to the one before `places[i + 1]`. Where
    the widths differ nothing can be compared, and the list is empty.
    """
    if student.encoder.shape.width != teacher.encoder.shape.width or not places:
        return []
    ends = [*places[1:], len(teacher.encoder.layers)]
    totals, tokens = [0.0] * len(ends), 0.0
    for indexes in in_batches(teacher.encoder, inputs, BATCH_TOKENS):
        batch = inputs.batch(indexes)
        ours, theirs = student.encoder.all_hidden(*batch)[1:], teacher.encoder.all_hidden(*batch)
        mask = student.encoder.mask(*batch)
        weights = torch.ones(ours[0].shape[:2]) if mask is None else mask
        tokens += float(weights.sum())
        for layer, (hidden, end) in enumerate(zip(ours, ends, strict=True)):
            totals[layer] += float((functional.cosine_similarity(hidden, theirs[end], dim=-1) * weights).sum())
    return [
        {"layer": layer, "from_layer": place, "cosine": total / tokens}
        for layer, (place, total) in enumerate(zip(places, totals, strict=True))
    ]
