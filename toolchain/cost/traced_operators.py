"""Which operator of a device a call of PyTorch's is, and in which sizes.

In:  a call's packet, its arguments and the tensors that it took and gave.
Out: its kind and sizes as `specs.structure` has them; nothing for what moves nothing, and for what runtimes fuse into
     the operator before: a ReLU, and a batch norm behind a convolution.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import prod

import torch
from torch import Tensor

from edgewright.specs.structure import Kind

ATEN = torch.ops.aten
ACTIVATIONS = {ATEN.gelu, ATEN.tanh, ATEN.sigmoid, ATEN.silu, ATEN.erf, ATEN.exp, ATEN.hardswish, ATEN.hardsigmoid}
NORMALISATIONS = {ATEN.native_layer_norm, ATEN.native_group_norm}
FUSED = {
    ATEN.relu,
    ATEN.relu_,
    ATEN.hardtanh,
    ATEN.hardtanh_,
    ATEN.native_batch_norm,
    ATEN._native_batch_norm_legit_no_training,
}
REDUCTIONS = {ATEN.mean, ATEN.sum, ATEN.amax, ATEN.amin}
# Which of its arguments says along which dimension.
SLICES = {ATEN.cat: 1, ATEN.split: 2, ATEN.split_with_sizes: 2, ATEN.slice: 1, ATEN.select: 1}
FREE = {
    *(ATEN.view, ATEN._unsafe_view, ATEN.reshape, ATEN.t, ATEN.unsqueeze, ATEN.squeeze, ATEN.expand, ATEN.detach),
    *(ATEN.alias, ATEN.arange, ATEN.clone, ATEN.empty, ATEN.empty_like, ATEN.scalar_tensor, ATEN.lift_fresh),
}
OperatorSizes = tuple[tuple[int, ...], ...]


def operator_of(
    packet: object,
    args: Sequence[object],
    given: list[Tensor],
    made: list[Tensor],
    is_weight: Callable[[Tensor], bool],
) -> tuple[Kind, OperatorSizes] | None:
    """(kind, sizes) of what runs on a device; None for what does not."""
    shape = tuple(made[0].shape)
    widened = packet is ATEN._to_copy and given[0].dtype == torch.int8  # a cache, which is made floats for each token
    constant = bool(given) and all(map(is_weight, given)) and packet is not ATEN.embedding and not widened
    if packet is ATEN.index_copy:  # rows that are written into what is there
        rows = tuple(_tensor(args[3]).shape)
        return "slice", (rows[:-1], rows)
    if constant or packet in FREE or packet in FUSED:
        return None
    if given and given[0].dtype == torch.uint8:
        return "bytes", (shape,)
    if packet in (ATEN.addmm, ATEN.mm):
        left, right = map(_tensor, args[1:3] if packet is ATEN.addmm else args[:2])
        sizes: OperatorSizes = ((left.shape[0],), (left.shape[1],), (right.shape[1],))
        return ("linear", sizes) if is_weight(right) else ("matmul", ((1,), *sizes))
    if packet is ATEN.bmm:
        left, right = map(_tensor, args[:2])
        return "matmul", ((left.shape[0],), (left.shape[1],), (left.shape[2],), (right.shape[2],))
    if packet is ATEN.convolution:
        return _convolution(_tensor(args[1]), _integer(args[8]), shape)
    if packet in NORMALISATIONS:
        return "normalisation", (shape[:-1], (shape[-1],))
    if packet is ATEN._softmax:
        return "softmax", (shape[:-1], (shape[-1],))
    if packet is ATEN.embedding:
        return "embedding", (shape[:-1], (shape[-1],))
    if packet in ACTIVATIONS:
        return "activation", (shape,)
    if packet in (ATEN.transpose, ATEN.permute):
        return _permuted(tuple(given[0].shape), _order(packet, args, given[0].ndim))
    if packet in SLICES:
        place = SLICES[packet]
        return _sliced(_integer(args[place]) if len(args) > place else 0, given, made)
    if packet is ATEN.gather:  # each number by itself
        return "slice", (shape, shape)
    if packet is ATEN.index:
        return "slice", (shape[:-1], shape)
    if packet in REDUCTIONS:
        return "reduction", (shape, _reduced(args, tuple(given[0].shape)))
    largest = max((*given, made[0]), key=Tensor.numel)
    return "elementwise", (tuple(largest.shape),)


def _tensor(argument: object) -> Tensor:
    """An operator's argument, which is a tensor by its signature."""
    assert isinstance(argument, Tensor)
    return argument


def _integer(argument: object) -> int:
    """An operator's argument, which is a whole number by its signature."""
    assert isinstance(argument, int)
    return argument


def _integers(argument: object) -> list[int]:
    """An operator's argument, which is a list of whole numbers by its signature."""
    assert isinstance(argument, list | tuple)
    return [_integer(each) for each in argument]


def _order(packet: object, args: Sequence[object], dimensions: int) -> list[int]:
    """Which dimension comes to each place."""
    if packet is ATEN.permute:
        return [each % dimensions for each in _integers(args[1])]
    order = list(range(dimensions))
    one, other = (_integer(each) % dimensions for each in args[1:3])
    order[one], order[other] = order[other], order[one]
    return order


def _permuted(shape: tuple[int, ...], order: Sequence[int]) -> tuple[Kind, OperatorSizes]:
    """Dimensions of one number count for nothing, and neighbours that stay neighbours are one."""
    places = {each: place for place, each in enumerate(each for each in range(len(shape)) if shape[each] != 1)}
    groups: list[list[int]] = []
    for each in order:
        if each not in places:
            continue
        if groups and places[each] == places[groups[-1][-1]] + 1:
            groups[-1].append(each)
        else:
            groups.append([each])
    if not groups:
        return "permute", ((1,), (1,))
    last = max(places)
    innermost = next(group for group in groups if last in group)

    def sizes(chosen: Sequence[Sequence[int]]) -> tuple[int, ...]:
        return tuple(shape[each] for group in chosen for each in group) or (1,)

    if groups[-1] is innermost:
        return "permute", (sizes(groups[:-1]), sizes(groups[-1:]))
    batch = [group for group in groups[:-1] if group is not innermost]
    return "transpose", (sizes(batch), sizes([innermost]), sizes(groups[-1:]))


def _sliced(place: int, given: Sequence[Tensor], made: Sequence[Tensor]) -> tuple[Kind, OperatorSizes]:
    """A tensor cut into parts along a dimension, parts joined, or one part taken."""
    shape = tuple(max(made, key=Tensor.numel).shape) if len(made) == 1 else tuple(given[0].shape)
    place = place % max(given[0].ndim, 1)
    return "slice", ((*shape[:place], max(len(given), len(made))), shape)


def _reduced(args: Sequence[object], shape: tuple[int, ...]) -> tuple[int, ...]:
    places = _integers(args[1]) if len(args) > 1 and args[1] else range(len(shape))
    return tuple(shape[each] for each in places)


def _convolution(weight: Tensor, groups: int, shape: tuple[int, ...]) -> tuple[Kind, OperatorSizes]:
    taps = prod(weight.shape[2:])
    if groups > 1 and weight.shape[1] == 1:
        return "depthwise", (shape[2:], (shape[1],), (taps,))
    return "convolution", (shape[2:], (taps,), (weight.shape[1],), (shape[1],))
