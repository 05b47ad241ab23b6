"""Read a model's structure off one run of it.

In:  any module, and examples of its input of two lengths (or one, where nothing depends on it).
Out: a `Structure`.
Reshapes are left out, for they move nothing, and so is what runtimes fuse into the operator before: a ReLU, and a
batch norm behind a convolution.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import prod

import torch
from torch import Tensor, nn
from torch._ops import OpOverload
from torch.nn.modules.batchnorm import _BatchNorm as BatchNorm
from torch.utils._python_dispatch import TorchDispatchMode

from edgewright.errors import UnsupportedModelError
from edgewright.specs.structure import Affine, Kind, Operator, Structure, joined

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
Sizes = tuple[tuple[int, ...], ...]


def structure_of(module: nn.Module, examples: Sequence[Tensor]) -> Structure:
    """What `module` computes of an example; of two, the second longer, it is known for every length.

    Raises `UnsupportedModelError` where texts of two lengths take other operators.
    """
    runs = [Run(module=module, inputs=(example,), length=example.shape[-1]) for example in examples]
    return structure_of_runs(runs)


@dataclass(frozen=True, kw_only=True)
class Run:
    """One run of a module, and the length by which it is known.

    `state` are those of its inputs that are there all the time, such as a cache: they are no activations.
    """

    module: nn.Module
    inputs: tuple[Tensor, ...]
    length: int
    state: tuple[Tensor, ...] = ()


def structure_of_runs(runs: Sequence[Run]) -> Structure:
    """What a module computes, seen in one run of it, or in two, the second of a greater length.

    Raises `UnsupportedModelError` where they take other operators.
    """
    seen = [_recorded(each) for each in runs]
    first, last = seen[0], seen[-1]
    if [kind for kind, _ in first.operators] != [kind for kind, _ in last.operators]:
        raise UnsupportedModelError("a model whose operators depend on a text's length", ("those of a fixed order",))
    spread = (runs[0].length, runs[-1].length)

    def affine(small: tuple[int, ...], large: tuple[int, ...]) -> tuple[Affine, ...]:
        return tuple(_affine(pair, spread) for pair in zip(small, large, strict=True))

    operators = [
        Operator(kind=kind, sizes=tuple(affine(*pair) for pair in zip(small, large, strict=True)))
        for (kind, small), (_, large) in zip(first.operators, last.operators, strict=True)
    ]
    live = tuple(affine(first.shapes[place], last.shapes[place]) for place in last.peak())
    return _weighed(runs[-1].module, joined(operators), live)


def _weighed(module: nn.Module, operators: tuple[Operator, ...], live: tuple[tuple[Affine, ...], ...]) -> Structure:
    """With the module's weights counted; a table that is a matrix of another layer, too, is written twice."""
    tables = {id(each.weight): each.weight for each in module.modules() if isinstance(each, nn.Embedding)}
    others = {
        id(parameter): parameter
        for each in module.modules()
        if not isinstance(each, nn.Embedding)
        for parameter in each.parameters(recurse=False)
    }
    # Of two dimensions, or a convolution's four; int8 kernels have no others.
    matrices = sum(each.numel() for each in others.values() if each.ndim in (2, 4))
    constants = [
        buffer
        for each in module.modules()
        if not isinstance(each, BatchNorm)  # fused into the convolution before it
        for buffer in each.buffers(recurse=False)
        if buffer.is_floating_point()
    ]
    return Structure(
        operators=operators,
        live=live,
        table_weights=sum(each.numel() for each in tables.values()),
        table_rows=sum(each.shape[0] for each in tables.values()),
        matrix_weights=matrices,
        other_weights=sum(each.numel() for each in (*others.values(), *constants)) - matrices,
    )


def _affine(values: tuple[int, int], lengths: tuple[int, int]) -> Affine:
    if values[0] == values[1]:
        return values[0], 0
    each, rest = divmod(values[1] - values[0], lengths[1] - lengths[0])
    if rest:
        raise UnsupportedModelError("a model with sizes that do not grow evenly with a text's length", ("even ones",))
    return values[0] - each * lengths[0], each


def _recorded(run: Run) -> _Recorder:
    module, training = run.module, run.module.training
    recorder = _Recorder({_memory(each) for each in (*module.parameters(), *module.buffers(), *run.state)})
    try:
        with torch.no_grad(), recorder:
            module.eval()(*run.inputs)
    finally:
        module.train(training)
    return recorder


def _memory(tensor: Tensor) -> int:
    return tensor.untyped_storage().data_ptr()


@dataclass
class _Tensor:
    """One piece of memory: the operator that made it, and the last that reads it."""

    made: int
    used: int
    numbers: int


class _Recorder(TorchDispatchMode):
    """Keeps the sizes of each operator, and which tensors are alive while it runs."""

    def __init__(self, weights: set[int]) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.weights = weights
        self.operators: list[tuple[Kind, Sizes]] = []
        self.shapes: list[tuple[int, ...]] = []
        self._alive: list[_Tensor] = []
        self._places: dict[int, int] = {}
        self._kept: list[Tensor] = []  # so that no piece of memory is used twice
        self._step = 0

    def __torch_dispatch__(
        self,
        function: OpOverload,
        types: object,
        args: Sequence[object] = (),
        kwargs: Mapping[str, object] | None = None,
    ) -> object:
        result: object = function(*args, **(kwargs or {}))
        self._step += 1
        given = [each for each in _flat(args) if isinstance(each, Tensor)]
        made = [each for each in _flat((result,)) if isinstance(each, Tensor)]
        if function.overloadpacket is ATEN.index_copy and self._is_weight(given[0]):  # written where it lies
            self._kept += made
            self.weights |= {_memory(each) for each in made}
        self._follow(given, made)
        if made and (found := _operator(function.overloadpacket, args, given, made, self._is_weight)):
            self.operators.append(found)
        return result

    def peak(self) -> list[int]:
        """The places in `shapes` of the tensors that are alive where they are most."""
        best: list[int] = []
        most = -1
        for step in range(1, self._step + 1):
            alive = [place for place, each in enumerate(self._alive) if each.made <= step <= each.used]
            total = sum(self._alive[place].numbers for place in alive)
            if total > most:
                best, most = alive, total
        return best

    def _is_weight(self, tensor: Tensor) -> bool:
        return _memory(tensor) in self.weights

    def _follow(self, given: list[Tensor], made: list[Tensor]) -> None:
        for tensor in (*given, *made):
            if self._is_weight(tensor) or not tensor.is_floating_point():
                continue
            memory = _memory(tensor)
            if memory in self._places:
                self._alive[self._places[memory]].used = self._step
            elif tensor.numel():
                self._places[memory] = len(self._alive)
                self._alive.append(_Tensor(made=self._step, used=self._step, numbers=tensor.numel()))
                self.shapes.append(tuple(tensor.shape))
                self._kept.append(tensor)


def _operator(
    packet: object,
    args: Sequence[object],
    given: list[Tensor],
    made: list[Tensor],
    is_weight: Callable[[Tensor], bool],
) -> tuple[Kind, Sizes] | None:
    """(kind, sizes) of what runs on a device; None for what does not."""
    shape = tuple(made[0].shape)
    constant = bool(given) and all(map(is_weight, given)) and packet is not ATEN.embedding
    if packet is ATEN.index_copy:  # rows that are written into what is there
        rows = tuple(_tensor(args[3]).shape)
        return "slice", (rows[:-1], rows)
    if constant or packet in FREE or packet in FUSED:
        return None
    if given and given[0].dtype == torch.uint8:
        return "bytes", (shape,)
    if packet in (ATEN.addmm, ATEN.mm):
        left, right = map(_tensor, args[1:3] if packet is ATEN.addmm else args[:2])
        sizes: Sizes = ((left.shape[0],), (left.shape[1],), (right.shape[1],))
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


def _permuted(shape: tuple[int, ...], order: Sequence[int]) -> tuple[Kind, Sizes]:
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


def _sliced(place: int, given: Sequence[Tensor], made: Sequence[Tensor]) -> tuple[Kind, Sizes]:
    """A tensor cut into parts along a dimension, parts joined, or one part taken."""
    shape = tuple(max(made, key=Tensor.numel).shape) if len(made) == 1 else tuple(given[0].shape)
    place = place % max(given[0].ndim, 1)
    return "slice", ((*shape[:place], max(len(given), len(made))), shape)


def _reduced(args: Sequence[object], shape: tuple[int, ...]) -> tuple[int, ...]:
    places = _integers(args[1]) if len(args) > 1 and args[1] else range(len(shape))
    return tuple(shape[each] for each in places)


def _convolution(weight: Tensor, groups: int, shape: tuple[int, ...]) -> tuple[Kind, Sizes]:
    taps = prod(weight.shape[2:])
    if groups > 1 and weight.shape[1] == 1:
        return "depthwise", (shape[2:], (shape[1],), (taps,))
    return "convolution", (shape[2:], (taps,), (weight.shape[1],), (shape[1],))


def _flat(values: Iterable[object]) -> list[object]:
    found: list[object] = []
    for each in values:
        found += _flat(each) if isinstance(each, list | tuple) else [each]
    return found
