"""What an artifact takes of one modality, before a runtime is chosen: its tensors, and examples as named arrays.

In:  sizes, from a dataset or from a manifest.
Out: an `InputSpec`; for a runtime's shapes and integers the tensors of a signature, and examples as inputs of those;
     what a bundle keeps of both, and reads back.
A spec with a `batch` is of so many examples at once. An artifact that takes a batch takes one, too: it has two methods
that share the weights. The number is fixed, because XNNPACK reshapes to no two sizes that are free.
"""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Self, TypeVar

import numpy as np
from pydantic import JsonValue, TypeAdapter, ValidationError

from edgewright.errors import BundleError, InputError
from edgewright.specs.batching import Examples as Examples

if TYPE_CHECKING:
    from torch import Tensor, nn

    from edgewright.specs.generation import Writes
    from edgewright.specs.signature import Array, DType
    from edgewright.specs.signature import Tensor as TensorSpec

Facts = Mapping[str, JsonValue]  # as a manifest has them
BundleFile = Callable[[str], Path]  # a bundle's file of this name
Read = TypeVar("Read")


@dataclass(frozen=True, kw_only=True)
class ReadExample:
    """One example that a user gave, as an artifact takes it; of a text's words the index of the token of each."""

    examples: Examples
    places: Mapping[int, int] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class InputSpec(ABC):
    """What an artifact takes; `batch` is how many at once.

    `lengths` are the buckets of an axis that examples choose, for runtimes of fixed shapes. `tags` is how many numbers
    each token of an example has for an output, 0 where an example has one as a whole.
    """

    batch: int = 1
    lengths: tuple[int, ...] = ()
    tags: ClassVar[int] = 0
    outputs: ClassVar[tuple[str, ...]] = ("output",)
    """The names of what its module gives; the first is what is scored and answered with."""
    saved_example: ClassVar[object] = list
    """The type of one example in a bundle's file of expected outputs."""

    @property
    def writes(self) -> Writes | None:
        """How an artifact is made that goes on with texts; None for one that answers examples."""
        return None

    @property
    def one(self) -> Self:
        """The same of one at a time."""
        return replace(self, batch=1)

    def calls(self) -> tuple[Self, ...]:
        """What an artifact can be asked: one and, where there is a batch, so many at once."""
        return (self,) if self.batch == 1 else (self.one, self)

    def settings(self) -> dict[str, object]:
        """What a stage that exports depends on, for its cache and for the manifest."""
        return asdict(self)

    def facts(self, reading: Facts) -> Mapping[str, JsonValue]:
        """What a manifest says of the inputs, for `from_facts`; `reading` are the facts of `Reading`."""
        return {name: value for name, value in asdict(self).items() if name not in ("batch", "lengths")}

    @classmethod
    def from_facts(cls, facts: Facts) -> Self:
        """The spec of a manifest's `facts`, among which are the recipe's `max_length` and the number of `tags`.

        By default a field of each name. Raises `InputError` for facts that are missing or wrong.
        """
        return read_facts(cls, facts)

    @abstractmethod
    def module(self, model: nn.Module, *, padded: bool = False) -> nn.Module:
        """What is exported: the model, as it is run, called with the tensors. With `padded` the padding is masked."""

    @abstractmethod
    def tensors(self, *, fixed_shapes: bool, index_dtype: DType) -> tuple[TensorSpec, ...]:
        """The inputs of an artifact, with buckets where a runtime has fixed shapes; ids are of the `index_dtype`."""

    @abstractmethod
    def arrays(self, examples: Examples, index_dtype: DType) -> dict[str, Array]:
        """Examples of one call by their inputs' names, (examples, …), padded to the longest of them."""

    @abstractmethod
    def checked(self, model: nn.Module, examples: Examples) -> Examples:
        """These examples. Raises `InputError` with the first that is not what the model takes."""

    @abstractmethod
    def example(self) -> Tensor:
        """The tensor of one call; its values do not matter."""

    def save_examples(self, examples: Examples, folder: Path) -> Mapping[str, JsonValue]:
        """Put the examples that artifacts are checked on into a bundle; what the file of their outputs says of them."""
        return {"inputs": [np.asarray(example).tolist() for example in examples]}

    def load_examples(self, saved: Examples, file: BundleFile, count: int) -> Examples:
        """Read `count` examples back from their `saved` inputs and the bundle's files. Raises `BundleError`.

        By default those of one tensor, in its dtype.
        """
        (tensor,) = self.one.tensors(fixed_shapes=False, index_dtype="int64")
        try:
            examples = np.array(saved, dtype=tensor.dtype)
            tensor.sizes_of((1, *examples.shape[1:]), of="an example")
        except (ValueError, TypeError, OverflowError, InputError) as error:
            raise BundleError(
                f"the examples of the bundle are no {tensor.described()} ({error}); build it again"
            ) from error
        return examples

    def reader(self, file: BundleFile) -> Callable[[str], ReadExample]:
        """A function that makes what a user gives to `run` an example. Raises `InputError` for what is none."""
        raise InputError("examples of this bundle cannot be given on the command line; measure the bundle instead")

    def traced(self) -> list[Tensor]:
        """The examples that a structure is recorded from: two of different lengths where examples have any."""
        return [self.one.example()]

    def joined(self, outputs: Sequence[Tensor], examples: Examples) -> Tensor:
        """The outputs of all examples, (examples, outputs), of those of each."""
        import torch

        return torch.stack(list(outputs))

    def apart(self, outputs: Tensor, examples: Examples) -> list[Tensor]:
        """Outputs as `joined` has them, those of each example in a row."""
        return list(outputs)


def read_facts(kind: type[Read], facts: Facts) -> Read:
    """A manifest's facts as a value of this type. Raises `InputError` with the first that is missing or wrong."""
    try:
        return TypeAdapter(kind).validate_json(json.dumps(facts), strict=True)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        place = ".".join(map(str, first["loc"]))
        raise InputError(f"the {place} of the inputs: {first['msg'][:1].lower()}{first['msg'][1:]}") from error
