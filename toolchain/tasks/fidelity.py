"""How faithfully one model's outputs follow another's, without any labels.

In:  outputs of a student and of its teacher for the same examples.
Out: a rank correlation from -1 to 1.
"""

from __future__ import annotations

import math

import torch
from numpy.typing import ArrayLike
from torch import Tensor
from torch.nn import functional

from edgewright.errors import BadDataError

LARGEST_SAMPLE = 200_000  # pairs
AT_ONCE = 20_000


def fidelity(outputs: Tensor, teacher_outputs: Tensor) -> float:
    """Spearman correlation of the similarities that both models see between examples.

    Embeddings (examples, any width) of each model → the correlation of cosine similarities over all pairs of
    examples, or over a seeded sample of them. Raises `BadDataError` for fewer than three examples.
    """
    if len(outputs) != len(teacher_outputs) or len(outputs) < 3:
        raise BadDataError(
            f"fidelity compares the same examples, three or more; there are {len(outputs)} of the student's and "
            f"{len(teacher_outputs)} of the teacher's"
        )
    left, right = _pairs(len(outputs))
    return rank_correlation(_similarities(outputs, left, right), _similarities(teacher_outputs, left, right))


def rank_correlation(first: ArrayLike, second: ArrayLike) -> float:
    """Spearman's correlation; 0 where one side does not vary or is not a number, for it then ranks nothing."""
    import warnings

    from scipy.stats import ConstantInputWarning, spearmanr

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConstantInputWarning)
        correlation = float(spearmanr(first, second).statistic)
    return correlation if math.isfinite(correlation) else 0.0


def _pairs(count: int) -> tuple[Tensor, Tensor]:
    """The places of each pair's two examples: all pairs, or as many as the sample holds."""
    if count * (count - 1) // 2 <= LARGEST_SAMPLE:
        left, right = torch.triu_indices(count, count, offset=1)
        return left, right
    seeded = torch.Generator().manual_seed(0)
    left = torch.randint(count, (LARGEST_SAMPLE,), generator=seeded)
    apart = torch.randint(1, count, (LARGEST_SAMPLE,), generator=seeded)  # never 0: no example is its own pair
    return left, (left + apart) % count


def _similarities(outputs: Tensor, left: Tensor, right: Tensor) -> Tensor:
    unit = functional.normalize(outputs.detach().float().cpu(), dim=-1)
    parts = zip(left.split(AT_ONCE), right.split(AT_ONCE), strict=True)
    return torch.cat([(unit[one] * unit[other]).sum(dim=-1) for one, other in parts])
