"""Attention with a cache as one operator, for runtimes that have a kernel of it.

In:  what a layer's matrix makes of some tokens, the whole cache, and where the tokens stand.
Out: what the layer's output matrix reads, and the rows that are to be written to the cache. The kernel of ExecuTorch's
     runner is in device_scripts/runner/attention.hpp; it reads the filled rows of the cache alone, in place.
"""

from __future__ import annotations

import torch
from torch import Tensor

from edgewright.models.token_positions import turned

NAME = "edgewright::attend"
_ARGUMENTS = (
    "Tensor projected, Tensor? cosines, Tensor? sines, Tensor cache_k, Tensor cache_v, Tensor position, "
    "int layer, int groups, int queries, int window"
)
_OUTPUTS = "Tensor(a!) attended, Tensor(b!) keys, Tensor(c!) values"
Attended = tuple[Tensor, Tensor, Tensor]


def attend(
    projected: Tensor,
    cosines: Tensor | None,
    sines: Tensor | None,
    cache_k: Tensor,
    cache_v: Tensor,
    position: Tensor,
    layer: int,
    groups: int,
    queries: int,
    window: int,
) -> Attended:
    """(length, (groups × queries + 2 × groups) × head_width) → the mixed values, and the keys and values to be cached.

    `cosines` and `sines` (length, half a head's width) turn queries and keys; None where nothing is turned. Both caches
    are (layers, groups of the largest layer, context, head_width); rows from the `position` (1,) on are not read. Mixed
    values are (length, groups × queries × head_width), keys and values (groups of the largest, length, head_width).
    """
    length, width, most = projected.shape[0], cache_k.shape[-1], cache_k.shape[1]
    heads = projected.view(length, -1, width)
    query, key, value = heads.split([groups * queries, groups, groups], dim=1)
    if cosines is not None and sines is not None:
        rotation = cosines[:, None], sines[:, None]
        query, key = turned(query, rotation), turned(key, rotation)
    rows = (query * width**-0.5).view(length, groups, queries, width)
    key, value = key.transpose(0, 1), value.transpose(0, 1)
    keys = torch.cat([cache_k[layer, :groups], key], dim=1)
    hidden = _hidden(position, length, cache_k.shape[2], window)[:, None]
    scores = torch.einsum("lgqw,gcw->glqc", rows, keys).masked_fill(hidden, -torch.inf)
    values = torch.cat([cache_v[layer, :groups], value], dim=1)
    mixed = torch.einsum("glqc,gcw->lgqw", scores.softmax(dim=-1), values).reshape(length, -1)
    lacking = projected.new_zeros(most - groups, length, width)
    return mixed, torch.cat([key, lacking]), torch.cat([value, lacking])


def _hidden(position: Tensor, length: int, context: int, window: int) -> Tensor:
    """What each token (a row) does not see of the cache and then of these tokens."""
    tokens, cached = position + torch.arange(length), torch.arange(context)
    places = torch.cat([torch.where(cached < position, cached, context + length), tokens])
    behind = tokens[:, None] - places[None]
    return (behind < 0) | (behind >= window) if window else behind < 0


def _attend_out(*arguments: object, attended: Tensor, keys: Tensor, values: Tensor) -> Attended:
    outputs = attended, keys, values
    for output, result in zip(outputs, attend(*arguments), strict=True):  # type: ignore[arg-type]
        output.resize_(result.shape).copy_(result)
    return outputs


def _shapes(
    projected: Tensor,
    cosines: Tensor | None,
    sines: Tensor | None,
    cache_k: Tensor,
    cache_v: Tensor,
    position: Tensor,
    layer: int,
    groups: int,
    queries: int,
    window: int,
) -> Attended:
    length, (most, _, width) = projected.shape[0], cache_k.shape[1:]
    mixed = projected.new_empty(length, groups * queries * width)
    return mixed, projected.new_empty(most, length, width), projected.new_empty(most, length, width)


_LIBRARY = torch.library.Library("edgewright", "DEF")
_LIBRARY.define(f"attend({_ARGUMENTS}) -> (Tensor, Tensor, Tensor)")
_LIBRARY.define(f"attend.out({_ARGUMENTS}, *, {_OUTPUTS}) -> (Tensor(a!), Tensor(b!), Tensor(c!))")
_LIBRARY.impl("attend", attend, "CPU")
_LIBRARY.impl("attend.out", _attend_out, "CPU")
torch.library.register_fake(NAME, _shapes, lib=_LIBRARY)
ATTEND = torch.ops.edgewright.attend.default
