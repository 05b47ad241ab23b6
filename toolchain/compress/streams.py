"""Samples of examples at the start of a model's residual stream, and of its teacher's beside it.

In:  one or two transformers of the same inputs, and examples.
Out: batches that tell which tokens are fitted to and which are held out to judge the fit.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from edgewright.errors import InputError
from edgewright.models.inputs import Inputs, batch_for
from edgewright.models.model import TransformerModel
from edgewright.models.text import batches
from edgewright.models.token_positions import Bias

BATCH_TOKENS = 2048
SAMPLE_TOKENS = 40_000  # 26 rows for each of the 1,537 unknowns of a base-sized matrix's output
HELD_OUT = 10  # every tenth example judges what the others were fitted to


@dataclass(kw_only=True)
class Batch:
    """One batch's streams through both models; `fit` and `held` (examples, tokens) share out the tokens that count."""

    fit: Tensor
    held: Tensor
    bias: Bias
    student: Tensor
    teacher: Tensor
    target: Tensor


def shared_out(sizes: Sequence[int], most: int) -> tuple[list[int], set[int]]:
    """(the indexes of examples taken evenly, so that their sizes are about `most`, those of them that are held out)."""
    if not len(sizes):
        raise InputError("there are no examples to measure the model with; give at least one, better a few hundred")
    count = max(1, round(min(1.0, most / sum(sizes)) * len(sizes)))
    chosen = [int(place * len(sizes) / count) for place in range(count)]
    return chosen, set(chosen[HELD_OUT - 1 :: HELD_OUT] or chosen[-1:])


def sampled(
    student: TransformerModel, inputs: Inputs, tokens: int, teacher: TransformerModel | None = None
) -> Iterator[Batch]:
    """Batches of examples taken evenly from `inputs`, at the start of both models (or of one, twice)."""
    device = next(student.parameters()).device
    sizes, tokens_each = inputs.sizes, student.encoder.tokens_each
    chosen, held_out = shared_out(sizes, tokens // tokens_each)
    for group in batches([sizes[index] for index in chosen], max(1, BATCH_TOKENS // tokens_each)):
        indexes = [chosen[place] for place in group]
        batch = batch_for(student, inputs, indexes)
        hidden = student.encoder.embedded(*batch)
        mask = student.encoder.mask(*batch)
        counted = torch.ones(hidden.shape[:-1], dtype=torch.bool, device=device) if mask is None else mask > 0
        held = torch.tensor([index in held_out for index in indexes], device=device)[:, None]
        others = hidden if teacher is None else teacher.encoder.embedded(*batch)
        yield Batch(
            fit=counted & ~held,
            held=counted & held,
            bias=student.encoder.bias(*batch),
            student=hidden,
            teacher=others,
            target=others,
        )
