"""What attention is told of where tokens are, beside a table of absolute positions.

In:  places of tokens, (length,), and a model's constants.
Out: `Places`, made once for all layers of a run: relative biases (MPNet), windows and rotations (ModernBERT), and the
     rows of tables of distances (DeBERTa).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TypeAlias

import torch
from torch import Tensor

MASKED = -1e4  # added to a score that is not to count; small enough for float16
# As transformers has them for every MPNet, whatever its configuration says.
RELATIVE_BUCKETS = 32
RELATIVE_REACH = 128


@dataclass(frozen=True, kw_only=True)
class Places:
    """What each layer takes its own of.

    `bias` (…, heads or 1, length or 1, length) is added to the scores of a layer that looks everywhere, `local` to
    those of one that looks nearby. `turns` are the cosines and sines, (length, half a head's width), by which such
    layers turn queries and keys. `distances` (length, length) says which row of a layer's tables is the distance from
    a query's token to a key's.
    """

    bias: Tensor | None = None
    local: Tensor | None = None
    turns: tuple[Rotation, Rotation] | None = None
    distances: Tensor | None = None


Rotation: TypeAlias = tuple[Tensor, Tensor]
Bias: TypeAlias = Tensor | Places | None
"""What is added to scores alone, or all that layers need to know."""


def placed(bias: Bias) -> Places:
    """The same in its larger form."""
    return bias if isinstance(bias, Places) else Places(bias=bias)


def apart(places: Tensor, first: int = 0) -> Tensor:
    """How many tokens each token (a row) is behind each other (a column), and `first` more: (length,) → its square.

    The number is where counting begins, and not added: XNNPACK's quantiser makes float of numbers that are added.
    """
    rows = torch.arange(first, first + places.shape[-1], device=places.device)
    return rows[:, None] - places[None, :]


def window(distances: Tensor, reach: int) -> Tensor:
    """(length, length) → what is added to scores, (1, length, length): only so many tokens to either side count."""
    return (distances.abs() > reach).to(torch.float32)[None] * MASKED


def rotations(theta: float, head_width: int, positions: int) -> Rotation:
    """Cosines and sines of the angles by which pairs of channels are turned at each position (Su et al. 2021, RoPE)."""
    frequencies = 1.0 / (theta ** (torch.arange(0, head_width, 2, dtype=torch.float) / head_width))
    angles = torch.arange(positions, dtype=torch.float)[:, None] * frequencies
    return angles.cos(), angles.sin()


def turned(vectors: Tensor, rotation: Rotation) -> Tensor:
    """(…, length, head_width): channel i and the one half a head further are a pair."""
    cosines, sines = rotation
    first, second = vectors.chunk(2, dim=-1)
    return torch.cat([first * cosines - second * sines, second * cosines + first * sines], dim=-1)


def relative_buckets(positions: int) -> Tensor:
    """For each distance from -(positions - 1) to positions - 1 of a query behind a key its row in MPNet's table."""
    distances = torch.arange(1 - positions, positions)
    half = RELATIVE_BUCKETS // 2
    exact = half // 2
    far = exact + (
        torch.log(distances.abs().float() / exact) / math.log(RELATIVE_REACH / exact) * (half - exact)
    ).clamp(min=0).to(torch.long)
    near = torch.where(distances.abs() < exact, distances.abs(), far.clamp(max=half - 1))
    return torch.where(distances < 0, half, 0) + near


def distance_rows(positions: int, *, buckets: int, reach: int) -> Tensor:
    """For each distance from -(positions - 1) to positions - 1 its row in DeBERTa's tables of `2 × span` rows.

    The span is the number of `buckets`, or without such the `reach`.
    """
    distances = torch.arange(1 - positions, positions)
    span = buckets if buckets > 0 else reach
    if buckets > 0 and reach > 0:
        middle = buckets // 2
        size = torch.where(distances.abs() < middle, torch.tensor(middle - 1), distances.abs())
        logarithm = torch.ceil(torch.log(size / middle) / torch.log(torch.tensor((reach - 1) / middle)) * (middle - 1))
        far = (logarithm + middle) * torch.sign(distances)
        distances = torch.where(size <= middle, distances.to(far.dtype), far).to(torch.long)
    return (distances + span).clamp(0, 2 * span - 1)
