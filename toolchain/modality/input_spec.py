"""What an artifact takes of one modality, before a runtime is chosen: its tensors, and examples as named arrays.

In:  sizes, from a dataset.
Out: an `InputSpec`; for a runtime's shapes and integers the tensors of a signature, and examples as inputs of those.
A spec with a `batch` is of so many examples at once. An artifact that takes a batch takes one, too: it has two methods
that share the weights. The number is fixed, because XNNPACK reshapes to no two sizes that are free.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any, ClassVar, Self

from numpy.typing import NDArray

if TYPE_CHECKING:
    from torch import Tensor, nn

    from edgewright.specs.signature import Array, DType
    from edgewright.specs.signature import Tensor as TensorSpec

Examples = Sequence[Any] | NDArray[Any]
"""Several examples as an artifact takes them, such as the ids of one text each, or an array with an example a row."""


@dataclass(frozen=True, kw_only=True)
class InputSpec(ABC):
    """What an artifact takes; `batch` is how many at once.

    `lengths` are the buckets of an axis that examples choose, for runtimes of fixed shapes. `tags` is how many numbers
    each token of an example has for an output, 0 where an example has one as a whole.
    """

    batch: int = 1
    lengths: tuple[int, ...] = ()
    tags: ClassVar[int] = 0

    @property
    def one(self) -> Self:
        """The same of one at a time."""
        return replace(self, batch=1)

    def calls(self) -> tuple[Self, ...]:
        """What an artifact can be asked: one and, where there is a batch, so many at once."""
        return (self,) if self.batch == 1 else (self.one, self)

    def settings(self) -> dict[str, Any]:
        """What a stage that exports depends on, for its cache and for the manifest."""
        return asdict(self)

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

    def traced(self) -> list[Tensor]:
        """The examples that a structure is recorded from: two of different lengths where examples have any."""
        return [self.one.example()]

    def batches(self, examples: Examples, index_dtype: DType) -> Iterator[dict[str, Array]]:
        """The arrays of each call, in order; where the last has fewer examples its last one fills it up."""
        for first in range(0, len(examples), self.batch):
            rows = list(examples[first : first + self.batch])
            yield self.arrays([*rows, *[rows[-1]] * (self.batch - len(rows))], index_dtype)

    def joined(self, outputs: Sequence[Tensor], examples: Examples) -> Tensor:
        """The outputs of all examples, (examples, outputs), of those of each."""
        import torch

        return torch.stack(list(outputs))

    def apart(self, outputs: Tensor, examples: Examples) -> list[Tensor]:
        """Outputs as `joined` has them, those of each example in a row."""
        return list(outputs)
