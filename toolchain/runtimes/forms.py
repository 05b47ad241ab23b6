"""What an artifact of texts or images takes, before a runtime is chosen: its sizes, one at a time or several at once.

In:  sizes.
Out: a `Form`; for a runtime its `Signature`, and examples as inputs of that.
A form with a `batch` is of so many at once. An artifact that takes a batch takes one, too: it has two methods that
share the weights. The number is fixed, because XNNPACK reshapes to no two sizes that are free.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from typing_extensions import override

from edgewright.runtimes.descriptor import Runtime
from edgewright.runtimes.export_input import EXAMPLE_SIZE, ExportInput, with_outputs
from edgewright.specs.signature import BATCH, FORWARD, Array, Axis, Signature
from edgewright.specs.signature import Tensor as TensorSpec

SHORTEST = 2  # a first and a last token are always there
LENGTH = "length"  # the axis of tokens

Input = Sequence[int] | NDArray[np.uint8]
"""A text's ids, or an image (height, width, channels)."""

Given = Sequence[Sequence[int]] | NDArray[np.uint8]
"""Several: ids of one text each, or images (n, height, width, channels)."""


@dataclass(frozen=True, kw_only=True)
class _Form:
    """What both kinds have in common; `batch` is how many are given at once."""

    batch: int = 1

    @property
    def one(self) -> Self:
        """The same of one at a time."""
        return replace(self, batch=1)

    def calls(self) -> tuple[Self, ...]:
        """What an artifact of this form can be asked: one and, where there is a batch, so many at once."""
        return (self,) if self.batch == 1 else (self.one, self)

    def joined(self, said: Sequence[Tensor], _given: Given) -> Tensor:
        """What an artifact said of each example, (examples, outputs)."""
        return torch.stack(list(said))

    def apart(self, outputs: Tensor, _given: Given) -> list[Tensor]:
        """Outputs as `joined` has them, those of each example in a row."""
        return list(outputs)


@dataclass(frozen=True, kw_only=True)
class TextForm(_Form):
    """Ids (batch, n): for any n from 2 to `max_length`, or where shapes are fixed for each n of `lengths`.

    Of several texts the shorter ones are filled up with padding; one alone needs none where n is free. `tags` is how
    many numbers each token has for an output, 0 where a text has one as a whole.
    """

    max_length: int
    lengths: tuple[int, ...] = ()
    tags: int = 0
    name = "ids"

    def example(self) -> Tensor:
        """Texts of token 1 only, (batch, 16) int64: their values do not matter."""
        return torch.ones(self.batch, EXAMPLE_SIZE, dtype=torch.long)

    def input(self, runtime: Runtime) -> TensorSpec:
        """The ids that an artifact for this runtime takes: padded with 0 where shapes are fixed."""
        if runtime.fixed_shapes:
            axis = Axis(name=LENGTH, most=self.lengths[-1], buckets=self.lengths)
        else:
            axis = Axis(name=LENGTH, least=SHORTEST, most=self.max_length)
        return TensorSpec(name=self.name, dtype=runtime.index_dtype, shape=(self.batch, axis))

    def named(self, example: Input, runtime: Runtime) -> dict[str, Array]:
        """One text as the method of one takes it, at its own length."""
        return {self.name: np.array([list(example)], dtype=runtime.index_dtype)}

    @override
    def joined(self, said: Sequence[Tensor], given: Given) -> Tensor:
        """(texts, outputs), or of tags (all tokens, tags); what is said of padding is left out."""
        if not self.tags:
            return super().joined(said, given)
        whole = [row.flatten()[: len(ids) * self.tags] for row, ids in zip(said, given, strict=True)]
        return torch.cat(whole).view(-1, self.tags)

    @override
    def apart(self, outputs: Tensor, given: Given) -> list[Tensor]:
        if not self.tags:
            return super().apart(outputs, given)
        return [each.flatten() for each in outputs.split([len(ids) for ids in given])]


@dataclass(frozen=True, kw_only=True)
class ImageForm(_Form):
    """Bytes (batch, height, width, channels), as a decoder or a camera gives them; sizes are in pixels."""

    height: int
    width: int
    channels: int
    name = "pixels"
    lengths: tuple[int, ...] = ()
    tags = 0

    @property
    def shape(self) -> tuple[int, int, int]:
        """(height, width, channels)."""
        return self.height, self.width, self.channels

    def example(self) -> Tensor:
        """Black images."""
        return torch.zeros(self.batch, *self.shape, dtype=torch.uint8)

    def input(self, runtime: Runtime) -> TensorSpec:
        """The bytes that an artifact takes, whatever the runtime."""
        return TensorSpec(name=self.name, dtype="uint8", shape=(self.batch, *self.shape))

    def named(self, example: Input, runtime: Runtime) -> dict[str, Array]:
        """One image as the method of one takes it."""
        return {self.name: np.array(example, dtype=np.uint8).reshape(1, *self.shape)}


Form = TextForm | ImageForm


def signature_of(module: nn.Module, form: Form, runtime: Runtime) -> Signature:
    """What an artifact of the module takes under a runtime, and gives, as the module is seen to give it."""
    calls = form.calls() if runtime.takes_batches else (form.one,)
    return Signature(
        methods=tuple(
            with_outputs(module, FORWARD if call.batch == 1 else BATCH, [call.input(runtime)]) for call in calls
        )
    )


def export_input(module: nn.Module, form: Form, runtime: Runtime, *, place: str = "") -> ExportInput:
    """A module of texts or images as the runtime's exporter takes it."""
    return ExportInput(module=module, signature=signature_of(module, form, runtime), place=place)
