"""Relations between the units of an example in the last attention layer: what MiniLMv2 teaches (Wang et al. 2021).

In:  queries, keys and values of a teacher and a student; their widths and heads may differ.
Out: how far the student's query-query, key-key and value-value relations are from the teacher's.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional
from torch.nn.utils.rnn import pad_sequence

# Both sides' channels are split anew into this many, so that heads need not agree; into fewer where a side has fewer.
RELATION_HEADS = 8


def error(vectors: Sequence[Tensor], wanted: Sequence[Tensor]) -> Tensor:
    """Each a list of (units, 3 × inner), one an example → the mean divergence of the three relations."""
    ours, theirs = pad_sequence(list(vectors), batch_first=True), pad_sequence(list(wanted), batch_first=True)
    counts = torch.tensor([len(each) for each in vectors], device=ours.device)
    real = torch.arange(ours.shape[1], device=ours.device) < counts[:, None]
    heads = min(RELATION_HEADS, ours.shape[-1] // 3, theirs.shape[-1] // 3)
    losses = [
        functional.kl_div(_relation(own, real, heads), _relation(their, real, heads), reduction="none", log_target=True)
        for own, their in zip(ours.chunk(3, dim=-1), theirs.chunk(3, dim=-1), strict=True)
    ]
    total = torch.stack(losses).nan_to_num(0.0).sum(dim=-1)  # (3, examples, heads, units)
    return (total * real[:, None, :]).sum() / (3 * heads * real.sum())


def _relation(vectors: Tensor, real: Tensor, heads: int) -> Tensor:
    """(examples, units, inner) → log of each unit's relation to the others, (examples, heads, units, units)."""
    inner = vectors.shape[-1] // heads * heads
    parts = vectors[..., :inner].unflatten(-1, (heads, -1)).transpose(1, 2)
    scores = parts @ parts.transpose(-1, -2) * parts.shape[-1] ** -0.5
    return functional.log_softmax(scores.masked_fill(~real[:, None, None, :], -torch.inf), dim=-1)
