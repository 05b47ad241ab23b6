"""Read a model's structure off one run of it.

In:  any module, and examples of its input of two lengths (or one, where nothing depends on it).
Out: a `Structure`.
Reshapes are left out, for they move nothing, and so is what runtimes fuse into the operator before: a ReLU, and a
batch norm behind a convolution.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch._ops import OpOverload
from torch.nn.modules.batchnorm import _BatchNorm as BatchNorm
from torch.utils._python_dispatch import TorchDispatchMode

from edgewright.cost.traced_operators import OperatorSizes, operator_of
from edgewright.errors import UnsupportedModelError
from edgewright.specs.structure import Affine, Kind, Operator, Structure, joined

ATEN = torch.ops.aten


def structure_of(module: nn.Module, examples: Sequence[Tensor]) -> Structure:
    """What `module` computes of an example; of two, the second longer, it is known for every length.

    Raises `UnsupportedModelError` where texts of two lengths take other operators.
    """
    runs = [TracedRun(module=module, inputs=(example,), length=example.shape[-1]) for example in examples]
    return structure_of_runs(runs)


@dataclass(frozen=True, kw_only=True)
class TracedRun:
    """One run of a module, and the length by which it is known.

    `state` are those of its inputs that are there all the time, such as a cache: they are no activations.
    """

    module: nn.Module
    inputs: tuple[Tensor, ...]
    length: int
    state: tuple[Tensor, ...] = ()


def structure_of_runs(runs: Sequence[TracedRun]) -> Structure:
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


def _recorded(run: TracedRun) -> _Recorder:
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
        self.operators: list[tuple[Kind, OperatorSizes]] = []
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
        if made and (found := operator_of(function.overloadpacket, args, given, made, self._is_weight)):
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


def _flat(values: Iterable[object]) -> list[object]:
    found: list[object] = []
    for each in values:
        found += _flat(each) if isinstance(each, list | tuple) else [each]
    return found
