"""What a file is written of: modules with the signature of their methods, and how an exporter calls them.

In:  for each method a module that takes the method's inputs in order and gives its outputs in order.
Out: `ExportInput`, which every exporter gets; `exported`, a method as `torch.export` has it.
What the tensors mean is nobody's concern here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from inspect import Parameter, signature
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from edgewright.quantize.simulated import Part, parts_of
from edgewright.specs.signature import FORWARD, Array, Axis, DType, Method, Signature
from edgewright.specs.signature import Tensor as TensorSpec

EXAMPLE_SIZE = 16  # of an axis, where that is within its bounds
LEAST_FREE = 2  # `torch.export` takes a size of 1 for one that is always 1
OUTPUT = "output"
DTYPES: Mapping[torch.dtype, DType] = {
    torch.float32: "float32",
    torch.float16: "float16",
    torch.float64: "float64",
    torch.int64: "int64",
    torch.int32: "int32",
    torch.int16: "int16",
    torch.int8: "int8",
    torch.uint8: "uint8",
    torch.bool: "bool",
}


@dataclass(frozen=True, kw_only=True)
class ExportInput:
    """A module and its signature.

    Each method calls the same `module` with its own inputs and then its state, and the module gives the outputs and
    then the state. `place` is where the model lies in it, by which parts are named; with `products_only` fixed scales
    are for products alone, because there are norms and masks between them.
    """

    module: nn.Module
    signature: Signature
    place: str = ""
    products_only: bool = False

    def at(self, part: str) -> str:
        """The place in the module of a part of the model."""
        return f"{self.place}.{part}" if self.place else part

    def example(self, method: Method, sizes: Mapping[str, int] | None = None) -> dict[str, Tensor]:
        """What the module takes for a method: `example_of` its inputs, and zeros for its state."""
        return {**example_of(method, sizes), **zeros_of(self.state(method))}

    def state(self, method: Method) -> tuple[TensorSpec, ...]:
        """The tensors of a method's state, in its order."""
        tensors = {each.name: each for each in self.signature.state}
        return tuple(tensors[name] for name in method.state)

    def parts(self) -> dict[str, Part]:
        """All that int8 makes smaller, by its place in the model."""
        return parts_of(self.module.get_submodule(self.place) if self.place else self.module)

    @property
    def forward(self) -> Method:
        """The method of one example, or where there is none of that name the first."""
        methods = {each.name: each for each in self.signature.methods}
        return methods.get(FORWARD, self.signature.methods[0])


def example_of(method: Method, sizes: Mapping[str, int] | None = None) -> dict[str, Tensor]:
    """An input of ones for each of a method's tensors; an axis without a size gets one that is within its bounds."""
    chosen = {name: _usual_size(axis) for name, axis in method.axes.items()}
    return {
        each.name: torch.ones(_shape(each, {**chosen, **(sizes or {})}), dtype=getattr(torch, each.dtype))
        for each in method.inputs
    }


def zeros_of(tensors: Sequence[TensorSpec]) -> dict[str, Tensor]:
    """State at its first, by name."""
    return {each.name: torch.zeros(_shape(each, {}), dtype=getattr(torch, each.dtype)) for each in tensors}


class Buffered(nn.Module):
    """A module that takes its state and gives it anew, with the state in buffers that it registers."""

    def __init__(self, module: nn.Module, buffers: Sequence[TensorSpec]) -> None:
        super().__init__()
        self.model, self._names = module, tuple(each.name for each in buffers)
        for name, zeros in zeros_of(buffers).items():
            self.register_buffer(name, zeros)

    def forward(self, *inputs: Tensor) -> tuple[Tensor, ...]:
        """A method's inputs → its outputs."""
        held = [self.get_buffer(name) for name in self._names]
        outputs = self.model(*inputs, *held)
        for buffer, new in zip(held, outputs[-len(held) :], strict=True):
            buffer.copy_(new)
        return tuple(outputs[: -len(held)])


def entries_of(signature: Signature) -> dict[str, dict[str, Tensor]]:
    """An example for each entry of a file with fixed shapes, by the entry's name."""
    return {name: example_of(method, sizes) for method in signature.methods for name, sizes in method.entries()}


def exported(module: nn.Module, method: Method, state: Sequence[TensorSpec] = ()) -> Any:
    """The module as `torch.export` has it, for one method and its state, axes without buckets being free."""
    example, free = (*example_of(method).values(), *zeros_of(state).values()), free_axes(method)
    if free is not None:
        free = (*free, *(None for _ in state))
    kinds = [each.kind for each in signature(module.forward).parameters.values()]
    if free is not None and Parameter.VAR_POSITIONAL in kinds:
        free = (free,)
    return torch.export.export(module, example, dynamic_shapes=free, strict=False)


def free_axes(method: Method) -> tuple[Any, ...] | None:
    """The free axes of each input, as `torch.export` takes them; None where every size is fixed."""
    dimensions = {
        name: torch.export.Dim(name, min=max(axis.least, LEAST_FREE), max=axis.most)
        for name, axis in method.axes.items()
    }
    if not dimensions:
        return None
    return tuple(
        {place: dimensions[size.name] for place, size in enumerate(each.shape) if isinstance(size, Axis)} or None
        for each in method.inputs
    )


def tensors_of(inputs: Mapping[str, Array]) -> tuple[Tensor, ...]:
    """The inputs of a call as a module takes them."""
    return tuple(torch.from_numpy(np.ascontiguousarray(each)) for each in inputs.values())


def run_on(module: nn.Module, method: Method, inputs: Mapping[str, Array]) -> dict[str, Array]:
    """What a module itself gives for the inputs of a method, by the names of the method's outputs."""
    with torch.no_grad():
        outputs = as_tuple(module(*tensors_of({each.name: inputs[each.name] for each in method.inputs})))
    return {each.name: output.numpy() for each, output in zip(method.outputs, outputs, strict=True)}


def as_tuple(outputs: Tensor | tuple[Tensor, ...]) -> tuple[Tensor, ...]:
    """The outputs of a module, which gives one tensor or several."""
    return outputs if isinstance(outputs, tuple) else (outputs,)


def fitted(method: Method, inputs: Mapping[str, Array], sizes: Mapping[str, int] | None = None) -> dict[str, Array]:
    """The inputs of one example as a method takes them: repeated where it wants several, padded to the `sizes`."""
    found = {}
    for each in method.inputs:
        array = inputs[each.name]
        for place, size in enumerate(each.shape):
            wanted = size if isinstance(size, int) else (sizes or {}).get(size.name, array.shape[place])
            if wanted == array.shape[place]:
                continue
            if isinstance(size, int):
                array = np.repeat(array, wanted, axis=place)
            else:
                widths = [(0, wanted - array.shape[place] if axis == place else 0) for axis in range(array.ndim)]
                array = np.pad(array, widths, constant_values=each.padding)
        found[each.name] = array
    return found


def fits(method: Method, inputs: Mapping[str, Array], sizes: Mapping[str, int]) -> bool:
    """Whether the inputs of one example are no larger than these sizes of a method's axes."""
    return all(
        inputs[each.name].shape[place] <= sizes.get(size.name, size.most)
        for each in method.inputs
        for place, size in enumerate(each.shape)
        if isinstance(size, Axis)
    )


def with_outputs(
    module: nn.Module, name: str, inputs: Sequence[TensorSpec], names: Sequence[str] = (OUTPUT,)
) -> Method:
    """The method that takes these inputs, with the outputs that the module gives when it is run.

    A size that differs where a free axis does is that axis. `names` are the outputs', in order.
    """
    bare = Method(name=name, inputs=tuple(inputs), outputs=(TensorSpec(name=OUTPUT, dtype="float32"),))
    sizes = {axis.name: axis.allocated(_usual_size(axis)) for axis in bare.axes.values()}
    usual = _run(module, bare, sizes)
    shapes: list[list[int | Axis]] = [list(each.shape) for each in usual]
    for axis in bare.axes.values():
        if (other := _another_size(axis, sizes[axis.name])) is None:
            continue
        for shape, now, then in zip(shapes, usual, _run(module, bare, {**sizes, axis.name: other}), strict=True):
            for place, (size, changed) in enumerate(zip(now.shape, then.shape, strict=True)):
                if size != changed:
                    shape[place] = axis
    outputs = [
        TensorSpec(name=each, dtype=DTYPES[tensor.dtype], shape=tuple(shape))
        for each, tensor, shape in zip(names, usual, shapes, strict=True)
    ]
    return bare.model_copy(update={"outputs": tuple(outputs)})


def _usual_size(axis: Axis) -> int:
    return min(max(EXAMPLE_SIZE, axis.least), axis.most)


def _another_size(axis: Axis, size: int) -> int | None:
    """A size that a bucket is made for where there is another one, else any within the bounds."""
    known = axis.buckets or (axis.least, axis.most)
    others = [each for each in (*known, axis.most - 1) if each != size and axis.least <= each]
    return others[0] if others else None


def _run(module: nn.Module, method: Method, sizes: Mapping[str, int]) -> tuple[Tensor, ...]:
    """Of ones of these sizes, whatever buckets there are."""
    ones = [
        torch.ones(
            [sizes[each.name] if isinstance(each, Axis) else each for each in tensor.shape],
            dtype=getattr(torch, tensor.dtype),
        )
        for tensor in method.inputs
    ]
    with torch.no_grad():
        return as_tuple(module(*ones))


def _shape(tensor: TensorSpec, sizes: Mapping[str, int]) -> list[int]:
    return [each.allocated(sizes[each.name]) if isinstance(each, Axis) else each for each in tensor.shape]
