"""The calls of a bundle with the float student's outputs, on which its artifacts are timed and checked.

In:  the bundle's file of them, and the signature of its artifacts.
Out: `Vectors`, whose tensors have names and the shapes of a call. Examples of a modality are kept in its own way, with
     their one output; of other signatures the file says each call with all of its tensors.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, Self, TypeVar

import numpy as np
from pydantic import BaseModel, ConfigDict, FiniteFloat, JsonValue

from edgewright.base.reading import validated
from edgewright.base.untrusted import parse_json
from edgewright.bundles.files import readable
from edgewright.bundles.schema import TaskFacts
from edgewright.errors import BundleError, InputError, InvalidFileError
from edgewright.modality.input_spec import Examples, InputSpec
from edgewright.specs.batching import NamedArrays, named
from edgewright.specs.signature import FORWARD, Array, Axis, Method, Signature, Tensor

VECTORS = "vectors.json"


Saved = TypeVar("Saved")


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class _Examples(_Part, Generic[Saved]):
    inputs: list[Saved] = []  # where they are in no file of their own
    outputs: list[list[FiniteFloat]]


class _Call(_Part):
    method: str
    inputs: dict[str, JsonValue]
    outputs: dict[str, JsonValue]


class _Calls(_Part):
    calls: list[_Call]


@dataclass(frozen=True, kw_only=True)
class Vector:
    """The inputs of one example for a method, and the float student's outputs, (1, …) each by name."""

    method: str
    inputs: NamedArrays
    outputs: NamedArrays

    def document(self) -> dict[str, object]:
        """As a bundle's file has it."""
        return {
            "method": self.method,
            "inputs": {name: each.tolist() for name, each in self.inputs.items()},
            "outputs": {name: each.tolist() for name, each in self.outputs.items()},
        }


@dataclass(frozen=True, kw_only=True)
class Vectors:
    """What a device is asked, in order, with what it should give."""

    calls: tuple[Vector, ...]

    @classmethod
    def read(cls, file: Path, task: TaskFacts, signature: Signature, file_of: Callable[[str], Path]) -> Self:
        """Read them from a bundle's file, and from those of its others that `file_of` gives to their input spec.

        Raises `InvalidFileError` for a faulty document, `BundleError` where the counts do not agree or a tensor is not
        the signature's.
        """
        document = _json_of(file)
        try:
            if isinstance(document, dict) and "calls" in document:
                calls = validated(_Calls, document, file=str(file)).calls
                return cls(calls=tuple(_read(each, signature) for each in calls))
            return cls(calls=_of_examples(document, file, task, signature, file_of))
        except (InvalidFileError, BundleError):
            raise
        except InputError as error:
            raise BundleError(f"{file} does not fit the bundle's artifacts: {error}; build the bundle again") from error

    def of_method(self, name: str) -> tuple[Vector, ...]:
        """Those of one method."""
        return tuple(each for each in self.calls if each.method == name)


def write_examples(folder: Path, spec: InputSpec, examples: Examples, outputs: Sequence[Sequence[float]]) -> None:
    """Put examples with their one output into a bundle that is being made."""
    document = {**spec.save_examples(examples, folder), "outputs": [list(each) for each in outputs]}
    (folder / VECTORS).write_text(json.dumps(document), encoding="utf-8")


def write_calls(folder: Path, vectors: Vectors) -> None:
    """Put calls with all their outputs into a bundle that is being made."""
    document = {"calls": [each.document() for each in vectors.calls]}
    (folder / VECTORS).write_text(json.dumps(document), encoding="utf-8")


def _json_of(file: Path) -> object:
    def fault(where: str, what: str) -> BundleError:
        return BundleError(f"{file} cannot be read: {where} {what}; build the bundle again")

    with readable(file):
        return parse_json(file.read_bytes(), name=str(file), error=fault)


def _of_examples(
    content: object, file: Path, task: TaskFacts, signature: Signature, file_of: Callable[[str], Path]
) -> tuple[Vector, ...]:
    document: Any = _Examples  # mypy takes no type that is only known now
    saved = validated(document[task.input_spec.saved_example], content, file=str(file))
    examples = task.input_spec.load_examples(saved.inputs, file_of, len(saved.outputs))
    if len(examples) != len(saved.outputs):
        raise BundleError(f"{file} has {len(saved.outputs)} outputs for {len(examples)} inputs; build the bundle again")
    method = signature.method(FORWARD)
    output = method.outputs[0]
    return tuple(
        Vector(method=FORWARD, inputs=inputs, outputs={output.name: _shaped(row, output)})
        for inputs, row in zip(named(method, examples), saved.outputs, strict=True)
    )


def _shaped(row: Sequence[float], output: Tensor) -> Array:
    """An output as a call gives it: with as many rows as the example has, where that differs."""
    array: Array = np.array(row, dtype=np.float64)
    fixed = [each for each in output.shape[1:] if isinstance(each, int)]
    if not any(isinstance(each, Axis) for each in output.shape) or not array.size or array.size % int(np.prod(fixed)):
        return array.reshape(1, -1)
    return array.reshape(1, -1, *fixed)


def _read(call: _Call, signature: Signature) -> Vector:
    method = signature.method(call.method)
    return Vector(
        method=method.name,
        inputs=_tensors(method.inputs, call.inputs, method),
        outputs=_tensors(method.outputs, call.outputs, method),
    )


def _tensors(known: Sequence[Tensor], saved: Mapping[str, JsonValue], method: Method) -> dict[str, Array]:
    if unlike := sorted({each.name for each in known} ^ set(saved)):
        raise InputError(f"a call of {method.name} has other tensors than its signature, which differ in {unlike[0]!r}")
    return {each.name: _tensor(each, saved[each.name], method) for each in known}


def _tensor(tensor: Tensor, saved: JsonValue, method: Method) -> Array:
    of = f"the tensor {tensor.name!r} of the method {method.name}"
    try:
        array = np.asarray(saved).astype(tensor.dtype, casting="same_kind")
    except (TypeError, ValueError) as error:
        raise InputError(f"{of} is no {tensor.described()}") from error
    tensor.sizes_of(array.shape, of=of)
    return array
