"""What an artifact takes and gives, as data: named methods with named tensors, and the state that lives between calls.

In:  sizes, from an exporter or a manifest.
Out: `Signature`: checked calls of its methods, as a runner makes them, and their outputs at their real sizes.
No runner, exporter or session knows what a tensor means: that is its modality's and its task's concern.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Annotated, Literal, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, model_validator

from edgewright.errors import InputError, RunnerError
from edgewright.specs.generation import Generation

DType = Literal["bool", "int8", "uint8", "int16", "int32", "int64", "float16", "float32", "float64"]
Array = NDArray[np.generic]
Name = Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$", max_length=100)]
Size = Annotated[int, Field(ge=1, le=1 << 31)]

FORWARD, BATCH = "forward", "batch"  # the methods of one example, and of several at once


class _Spec(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class Axis(_Spec):
    """An axis whose size a call chooses: any from `least` to `most`, or where there are `buckets` one of these.

    What is smaller than its bucket is padded to it.
    """

    name: Name
    least: Size = 1
    most: Size
    buckets: tuple[Size, ...] = ()

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.least > self.most:
            raise ValueError(f"the axis {self.name} has a least size of {self.least}, above its most of {self.most}")
        if list(self.buckets) != sorted(set(self.buckets)):
            raise ValueError(f"the buckets of the axis {self.name} must be named once each, in rising order")
        if self.buckets and self.buckets[-1] != self.most:
            raise ValueError(f"the largest bucket of the axis {self.name} must be its most, {self.most}")
        return self

    def allocated(self, size: int) -> int:
        """The size that a tensor has where `size` of it is used: the smallest bucket that holds it."""
        return next((bucket for bucket in self.buckets if bucket >= size), size)


class Tensor(_Spec):
    """One named tensor: the size of each axis, an `Axis` where a call chooses it. `padding` fills up a bucket."""

    name: Name
    dtype: DType
    shape: tuple[Size | Axis, ...] = ()
    padding: int = 0

    @property
    def axes(self) -> tuple[Axis, ...]:
        """Those whose size a call chooses."""
        return tuple(each for each in self.shape if isinstance(each, Axis))

    def sizes_of(self, shape: Sequence[int], *, of: str) -> dict[str, int]:
        """The sizes by their axes' names. Raises `InputError` for a shape that is not this tensor's."""
        if len(shape) != len(self.shape):
            raise InputError(f"{of} takes {self.described()}, not {len(shape)} axes of {list(shape)}")
        sizes: dict[str, int] = {}
        for wanted, size in zip(self.shape, shape, strict=True):
            if isinstance(wanted, Axis):
                if not wanted.least <= size <= wanted.most or sizes.setdefault(wanted.name, size) != size:
                    raise InputError(
                        f"{of} takes {wanted.least} to {wanted.most} along the axis {wanted.name}, not {size}"
                    )
            elif wanted != size:
                raise InputError(f"{of} takes {self.described()}, not {list(shape)}")
        return sizes

    def described(self) -> str:
        """Its dtype and shape as a message names them: "int64 (1, length)"."""
        sizes = [each.name if isinstance(each, Axis) else str(each) for each in self.shape]
        return f"{self.dtype} ({', '.join(sizes)})"


class Method(_Spec):
    """Something an artifact can be asked: inputs and outputs in order, and the names of the state it reads and writes.

    A tensor of the state is an input and an output of the method, too, beside those that are named here.
    """

    name: Name
    inputs: tuple[Tensor, ...]
    outputs: Annotated[tuple[Tensor, ...], Field(min_length=1)]
    state: tuple[Name, ...] = ()

    @model_validator(mode="after")
    def _names_once(self) -> Self:
        for what, tensors in (("inputs", self.inputs), ("outputs", self.outputs)):
            names = [each.name for each in tensors]
            if len(set(names)) != len(names):
                raise ValueError(f"the {what} of the method {self.name} must have names of their own, not {names}")
        return self

    @property
    def axes(self) -> dict[str, Axis]:
        """The axes of its inputs whose size a call chooses, by name."""
        return {axis.name: axis for tensor in self.inputs for axis in tensor.axes}

    @property
    def batch(self) -> int:
        """How many examples it takes at once: the first size of its first input."""
        first = self.inputs[0].shape[0] if self.inputs and self.inputs[0].shape else 1
        return first if isinstance(first, int) else 1

    def entry(self, sizes: Mapping[str, int]) -> str:
        """The name in the file: the method's, and where axes are bucketed the buckets', "forward_length_16"."""
        bucketed = [axis for axis in self.axes.values() if axis.buckets]
        return "_".join([self.name, *(f"{axis.name}_{axis.allocated(sizes[axis.name])}" for axis in bucketed)])

    def entries(self) -> Iterator[tuple[str, dict[str, int]]]:
        """Each name in the file with the sizes of its bucketed axes; one alone where none is bucketed."""
        found: list[dict[str, int]] = [{}]
        for axis in self.axes.values():
            if axis.buckets:
                found = [{**sizes, axis.name: bucket} for sizes in found for bucket in axis.buckets]
        for sizes in found:
            yield self.entry(sizes), sizes

    def call(self, inputs: Mapping[str, Array]) -> Call:
        """Check the inputs, and fill them up to their buckets.

        Raises `InputError` for a tensor that is missing or not the method's, another dtype, or a size out of bounds.
        """
        named = [each.name for each in self.inputs]
        if unknown := sorted(set(inputs) - set(named)):
            raise InputError(f"the method {self.name} takes no {unknown[0]!r}; it takes {', '.join(named)}")
        sizes: dict[str, int] = {}
        for tensor in self.inputs:
            of = f"the tensor {tensor.name!r} of the method {self.name}"
            if tensor.name not in inputs:
                raise InputError(f"{of} is missing; give {tensor.described()}")
            array = inputs[tensor.name]
            if array.dtype != np.dtype(tensor.dtype):
                raise InputError(f"{of} takes {tensor.dtype}, not {array.dtype}")
            for axis, size in tensor.sizes_of(array.shape, of=of).items():
                if sizes.setdefault(axis, size) != size:
                    raise InputError(f"{of} has {size} along the axis {axis}, and a tensor before it {sizes[axis]}")
        filled = {tensor.name: _filled(tensor, inputs[tensor.name]) for tensor in self.inputs}
        return Call(
            method=self.name,
            entry=self.entry(sizes),
            inputs=filled,
            outputs=tuple(each.name for each in self.outputs),
            state=self.state,
            sizes=sizes,
            elements=sum(inputs[tensor.name].size for tensor in self.inputs),
        )

    def cut(self, outputs: Mapping[str, Array], sizes: Mapping[str, int]) -> dict[str, Array]:
        """A call's outputs without what was computed of padding.

        Raises `RunnerError` for an output of fewer axes than the signature says.
        """
        cut = {}
        for tensor in self.outputs:
            shape = np.shape(outputs[tensor.name])
            if len(shape) < len(tensor.shape):
                raise RunnerError(
                    f"the output {tensor.name} of {self.name} came with the shape {list(shape)}, which has not the "
                    f"{len(tensor.shape)} axes that the artifact's signature says; build the bundle again"
                )
            kept = [
                slice(sizes[each.name]) if isinstance(each, Axis) and each.name in sizes else slice(None)
                for each in tensor.shape
            ]
            cut[tensor.name] = outputs[tensor.name][tuple(kept)]
        return cut


class Signature(_Spec):
    """All that an artifact can be asked. Its state begins as zeros, and again whenever it is reset.

    The tensors of `state` go from call to call with whoever makes the calls; those of `buffers` the file keeps itself,
    for all its methods together. One that generates text says how in `generation`. `operators` are the libraries of
    operators that its methods call beside the runtime's own.
    """

    methods: Annotated[tuple[Method, ...], Field(min_length=1)]
    state: tuple[Tensor, ...] = ()
    buffers: tuple[Tensor, ...] = ()
    generation: Generation | None = None
    operators: tuple[str, ...] = ()

    @model_validator(mode="after")
    def _state_is_there(self) -> Self:
        names = [each.name for each in self.methods]
        if len(set(names)) != len(names):
            raise ValueError(f"methods must have names of their own, not {names}")
        known = {each.name for each in self.state}
        for method in self.methods:
            if unknown := sorted(set(method.state) - known):
                raise ValueError(f"the method {method.name} names the state {unknown[0]!r}, which is not there")
        if any(each.axes for each in self._held):
            raise ValueError("state must have fixed sizes")
        return self

    @model_validator(mode="after")
    def _generates(self) -> Self:
        plan = self.generation
        if plan is None:
            return self
        methods = {each.name: each for each in self.methods}
        for name in {plan.prefill, plan.decode, *([plan.verify] if plan.verify else [])}:
            if name not in methods:
                raise ValueError(f"generation names the method {name}, which is not there")
            if {plan.ids, plan.position} != {each.name for each in methods[name].inputs}:
                raise ValueError(
                    f"generation needs {plan.ids} and {plan.position} alone as inputs of the method {name}"
                )
            if plan.logits not in {each.name for each in methods[name].outputs}:
                raise ValueError(f"the method {name} gives no {plan.logits}, which generation needs")
        return self

    @property
    def verified_ids(self) -> int | None:
        """How many ids the method that verifies a draft reads at once; None where there is no such method."""
        if self.generation is None or self.generation.verify is None:
            return None
        return self.method(self.generation.verify).batch

    @property
    def state_bytes(self) -> int:
        """What all that lives between calls takes, such as a cache."""
        shapes = [(each.dtype, [size for size in each.shape if isinstance(size, int)]) for each in self._held]
        return sum(math.prod(shape) * np.dtype(dtype).itemsize for dtype, shape in shapes)

    @property
    def _held(self) -> tuple[Tensor, ...]:
        return (*self.state, *self.buffers)

    @property
    def buckets(self) -> tuple[int, ...]:
        """The sizes that the first method's entries are made for, rising; none where every axis is free or fixed."""
        return next((axis.buckets for axis in self.methods[0].axes.values() if axis.buckets), ())

    @property
    def batch(self) -> int:
        """How many examples it takes at once besides one alone; 1 where it takes no more."""
        return next((each.batch for each in self.methods if each.name == BATCH), 1)

    def method(self, name: str) -> Method:
        """The method of this name. Raises `InputError` naming those there are."""
        for each in self.methods:
            if each.name == name:
                return each
        raise InputError(f"there is no method {name!r}; there are {', '.join(each.name for each in self.methods)}")


@dataclass(frozen=True, kw_only=True)
class Call:
    """One call as a runner makes it: the name in the file, its input tensors in order, and whether it resets the state.

    `outputs` and `state` name what comes back, in order: an entry takes its inputs and then its state, and gives its
    outputs and then its state. `sizes` are the real ones of the axes that the call chose, by which its outputs are
    `Method.cut`; `elements` is how many numbers its inputs are without padding.
    """

    method: str
    entry: str
    inputs: Mapping[str, Array]
    outputs: tuple[str, ...]
    elements: int
    state: tuple[str, ...] = ()
    sizes: Mapping[str, int] = field(default_factory=dict)
    reset: bool = False


def _filled(tensor: Tensor, array: Array) -> Array:
    wanted = [
        each.allocated(size) if isinstance(each, Axis) else size
        for each, size in zip(tensor.shape, array.shape, strict=True)
    ]
    if wanted == list(array.shape):
        return array
    filled = np.full(wanted, tensor.padding, dtype=array.dtype)
    filled[tuple(slice(size) for size in array.shape)] = array
    return filled
