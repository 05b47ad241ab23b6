"""Examples as calls of a method, and the outputs of calls as those of each example.

In:  a method, and examples: an array each, or where a method has several inputs arrays by their names.
Out: checked `Call`s of as many examples as the method takes at once, and named outputs without padding.
Padding and order are read from the signature: what a tensor means is its modality's concern.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import ArrayLike

from edgewright.errors import InputError
from edgewright.specs.signature import Array, Axis, Call, Method, Tensor

NamedArrays = Mapping[str, Array]
"""The tensors of one example by name, (1, …) each."""

Example = ArrayLike | Mapping[str, ArrayLike]
AnyExample: TypeAlias = Any  # a text or its ids, the pixels of an image: whatever a modality reads
Examples: TypeAlias = "Sequence[AnyExample] | Array"
"""Several, such as the ids of one text each, or an array with an example a row."""


def named(method: Method, examples: Examples) -> tuple[dict[str, Array], ...]:
    """Each example's inputs by name, (1, …), of the method's dtypes. Raises `InputError` for what is none of them."""
    return tuple(_named(method, each) for each in examples)


def calls_of(method: Method, examples: Sequence[NamedArrays]) -> tuple[Call, ...]:
    """A call for each so many examples as the method takes at once, in order.

    Examples of one call are padded to the longest of them; where the last call has fewer, its last example fills it up.
    Raises `InputError` for what the method does not take.
    """
    starts = range(0, len(examples), method.batch)
    return tuple(method.call(_joined(method, examples[start : start + method.batch])) for start in starts)


def outputs_of_each(
    method: Method, outputs: Sequence[NamedArrays], examples: Sequence[NamedArrays]
) -> tuple[dict[str, Array], ...]:
    """What the calls of `calls_of` gave for each example, (1, …), without what was computed of padding."""
    rows = (row for call in outputs for row in _apart(call, method.batch))
    return tuple(method.cut(row, _sizes(method, example)) for row, example in zip(rows, examples, strict=False))


def _named(method: Method, example: Example) -> dict[str, Array]:
    if not isinstance(example, Mapping):
        if len(method.inputs) != 1:
            names = ", ".join(each.name for each in method.inputs)
            raise InputError(f"the method {method.name} takes {names}; give them by their names")
        example = {method.inputs[0].name: example}
    tensors = {each.name: each for each in method.inputs}
    return {name: _as_tensor(method, tensors.get(name), name, value) for name, value in example.items()}


def _as_tensor(method: Method, tensor: Tensor | None, name: str, value: ArrayLike) -> Array:
    if tensor is None:
        raise InputError(
            f"the method {method.name} takes no {name!r}; it takes {', '.join(each.name for each in method.inputs)}"
        )
    try:
        array: Array = np.asarray(value)[None]
        return array.astype(tensor.dtype, casting="same_kind" if array.size else "unsafe")  # an empty list has none
    except (TypeError, ValueError) as error:  # rows of unlike lengths, numbers of another kind
        raise InputError(
            f"an example for the tensor {name!r} of the method {method.name} is no {tensor.described()}: {error}"
        ) from error


def _joined(method: Method, group: Sequence[NamedArrays]) -> dict[str, Array]:
    rows = [*group, *[group[-1]] * (method.batch - len(group))]
    if len(rows) == 1:
        return dict(rows[0])
    padding = {each.name: each.padding for each in method.inputs}
    return {name: _stacked([row[name] for row in rows], padding.get(name, 0)) for name in rows[0]}


def _stacked(arrays: Sequence[Array], padding: int) -> Array:
    longest = np.max([each.shape for each in arrays], axis=0)
    widths = [[(0, wanted - size) for wanted, size in zip(longest, each.shape, strict=True)] for each in arrays]
    return np.concatenate(
        [np.pad(each, width, constant_values=padding) for each, width in zip(arrays, widths, strict=True)]
    )


def _apart(outputs: NamedArrays, batch: int) -> Iterator[dict[str, Array]]:
    """Those of each example of one call."""
    rows = {name: each if each.shape[:1] == (batch,) else each.reshape(batch, -1) for name, each in outputs.items()}
    for place in range(batch):
        yield {name: each[place : place + 1] for name, each in rows.items()}


def _sizes(method: Method, example: NamedArrays) -> dict[str, int]:
    return {
        axis.name: example[tensor.name].shape[place]
        for tensor in method.inputs
        for place, axis in enumerate(tensor.shape)
        if isinstance(axis, Axis)
    }
