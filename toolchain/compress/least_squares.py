"""Least squares for one part of a model: a linear map or a norm is fitted to targets, judged on held-out rows.

In:  batches of streams, what the part reads of each, and what it should say.
Out: the part corrected in place, or left as it is where no fit is better on the held-out rows.
In which order parts are refitted, and to what, is `reconstruct`'s concern.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar, cast

import torch
from torch import Tensor, nn

from edgewright.compress.streams import Batch
from edgewright.models.linear_maps import Constant, LowRankLinear

Streams = TypeVar("Streams", bound=Batch)
RIDGES = (1e-4, 1e-3, 1e-2, 1e-1)  # of the mean diagonal; the held-out examples choose


class Moments:
    """Sums over rows of the products of features, a one after them, and targets."""

    def __init__(self, features: int, targets: int, device: torch.device) -> None:
        options = {"dtype": torch.float64, "device": device}
        self.gram = torch.zeros(features + 1, features + 1, **options)  # type: ignore[call-overload]
        self.cross = torch.zeros(features + 1, targets, **options)  # type: ignore[call-overload]
        self.rows = 0

    def add(self, features: Tensor, targets: Tensor | None = None) -> None:
        """Rows (n, features) and (n, targets); products are float32 within a batch, and summed in float64."""
        extended = torch.cat([features, features.new_ones(len(features), 1)], dim=1)
        self.gram += extended.T @ extended
        if targets is not None:
            self.cross += extended.T @ targets
        self.rows += len(features)


def refit(
    module: nn.Module,
    batches: Sequence[Streams],
    input_of: Callable[[Streams], Tensor],
    target_of: Callable[[Streams], Tensor],
) -> None:
    """Add to a linear map the least-squares correction that best serves the held-out rows; or none."""
    final = cast(nn.Module, module.second) if isinstance(module, LowRankLinear) else module
    moments: list[Moments] = []
    for batch in batches:
        inputs = input_of(batch)
        missing = target_of(batch) - module(inputs)
        features = module.first(inputs) if isinstance(module, LowRankLinear) else inputs
        if isinstance(module, Constant):
            features = features[..., :0]
        if not moments:
            moments = [Moments(features.shape[-1], missing.shape[-1], missing.device) for _ in range(2)]
        for each, rows in zip(moments, (batch.fit, batch.held), strict=True):
            each.add(features[rows], missing[rows])
    correction = correction_of(*moments)
    if correction is not None:
        cast(Tensor, final.bias).add_(correction[-1])
        if not isinstance(module, Constant):
            cast(Tensor, final.weight).add_(correction[:-1].T)


def correction_of(fit: Moments, judge: Moments) -> Tensor | None:
    """(features + 1, outputs): what to add to the old weights, with a ridge that pulls towards them."""
    best, least = None, 0.0
    if not fit.rows or not judge.rows:
        return None
    mean = float(fit.gram.diagonal()[:-1].mean()) if len(fit.gram) > 1 else 0.0
    for ridge in RIDGES if len(fit.gram) > 1 else RIDGES[:1]:
        penalties = torch.full_like(fit.gram.diagonal(), ridge * mean)
        penalties[-1] = 1e-6 * fit.rows
        factor, failed = torch.linalg.cholesky_ex(fit.gram + penalties.diag())
        if failed:
            continue
        found = torch.cholesky_solve(fit.cross, factor)
        change = float((found * (judge.gram @ found - 2 * judge.cross)).sum())
        if change < least:
            best, least = found, change
    return best


def refit_norm(
    norm: nn.Module, batches: Sequence[Batch], input_of: Callable[[Batch], Tensor], target_of: Callable[[Batch], Tensor]
) -> None:
    """Scale and shift each dimension anew: a norm over fewer dimensions divides by another deviation."""
    layer_norm = cast(nn.LayerNorm, norm)
    plain = nn.functional.layer_norm
    sums: Tensor | None = None
    for batch in batches:
        normed = plain(input_of(batch), layer_norm.normalized_shape, eps=layer_norm.eps)
        target = target_of(batch)
        each = torch.stack(
            [
                torch.stack([x.sum(0), y.sum(0), (x * x).sum(0), (x * y).sum(0), torch.full_like(x[0], len(x))])
                if len(x)
                else normed.new_zeros(5, normed.shape[-1])
                for rows in (batch.fit, batch.held)
                for x, y in [(normed[rows], target[rows])]
            ]
        ).double()
        sums = each if sums is None else sums + each
    assert sums is not None
    x, y, square, product, rows = sums[0]
    if not float(rows[0]) or not float(sums[1, 4, 0]):
        return
    variance = square / rows - (x / rows).square()
    scale = (product / rows - x * y / rows.square()) / variance.clamp(min=1e-12)
    shift = (y - scale * x) / rows
    x, y, square, product, rows = sums[1]

    def error(weight: Tensor, bias: Tensor) -> Tensor:
        """Each dimension's squared error on the held-out rows, less that of the targets themselves."""
        fitted = weight.square() * square + 2 * weight * bias * x + rows * bias.square()
        return cast(Tensor, fitted - 2 * (weight * product + bias * y))

    old = (layer_norm.weight.double(), layer_norm.bias.double())
    better = error(scale, shift) < error(*old)
    layer_norm.weight.copy_(torch.where(better, scale, old[0]))
    layer_norm.bias.copy_(torch.where(better, shift, old[1]))
