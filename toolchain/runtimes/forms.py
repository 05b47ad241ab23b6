"""What an artifact takes: a text's ids, or an image's bytes, one at a time or several at once.

In:  sizes.
Out: a `Form`: the example that a module is exported with, and one input as a tensor of it.
A form with a `batch` is of so many at once. An artifact that takes a batch takes one, too: it has two `calls` that
share the weights. The number is fixed, because XNNPACK reshapes to no two sizes that are free.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from typing_extensions import override

SHORTEST = 2  # a first and a last token are always there
EXAMPLE_LENGTH = 16
METHOD, BATCH = "forward", "batch"  # of one, and of several at once
IMAGE = "image"  # the signature of an artifact for images

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

    @property
    def method(self) -> str:
        """The call's name in a file that has methods."""
        return METHOD if self.batch == 1 else BATCH

    def signature(self, shape: str) -> str:
        """The call's name in a file that has one for each fixed shape."""
        return shape if self.batch == 1 else f"batch_{self.batch}_{shape}"

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
        """Texts of token 1 only, (batch, 16) int64: their values do not matter to an export."""
        return torch.ones(self.batch, EXAMPLE_LENGTH, dtype=torch.long)

    def free(self) -> tuple[dict[int, Any]]:
        """What `torch.export` is told of the one input: its second size is free."""
        return ({1: torch.export.Dim("length", min=SHORTEST, max=self.max_length)},)

    def tensor(self, given: Input) -> Tensor:
        """One text at its own length, as often as the batch wants it, (batch, n) int64."""
        return torch.tensor([list(given)] * self.batch)

    def signatures(self) -> Mapping[str, Tensor]:
        """An example for each fixed shape, int32, by the shape's name."""
        return dict(self._filled([1] * length, length) for length in self.lengths)

    def fixed(self, given: Input) -> tuple[str, Tensor]:
        """The smallest fixed shape that holds a text, and the text filled up with padding to it."""
        return self._filled(given, next(length for length in self.lengths if length >= len(given)))

    def every_fixed(self, given: Input) -> dict[str, Tensor]:
        """Each fixed shape that holds a text, the smallest first, and the text filled up with padding to it."""
        return dict(self._filled(given, length) for length in self.lengths if length >= len(given))

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

    def _filled(self, given: Input, length: int) -> tuple[str, Tensor]:
        filled = torch.zeros(self.batch, length, dtype=torch.int32)
        filled[:, : len(given)] = torch.as_tensor(given)
        return self.signature(length_name(length)), filled


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

    def free(self) -> None:
        """No size is."""

    def tensor(self, given: Input) -> Tensor:
        """One image, as often as the batch wants it, (batch, height, width, channels) uint8."""
        return torch.from_numpy(np.array(given, dtype=np.uint8)).reshape(1, *self.shape).repeat(self.batch, 1, 1, 1)

    def signatures(self) -> Mapping[str, Tensor]:
        """The one there is."""
        return {self.signature(IMAGE): self.example()}

    def fixed(self, given: Input) -> tuple[str, Tensor]:
        """The one there is, and the image."""
        return self.signature(IMAGE), self.tensor(given)

    def every_fixed(self, given: Input) -> dict[str, Tensor]:
        """The one there is, and the image."""
        return dict([self.fixed(given)])


Form = TextForm | ImageForm


def signatures(calls: Iterable[Form]) -> dict[str, Tensor]:
    """An example for each fixed shape of all these calls, by the shape's name."""
    return {name: example for call in calls for name, example in call.signatures().items()}


def exported(module: nn.Module, form: Form) -> Any:
    """The module as `torch.export` has it, for one call of the form."""
    return torch.export.export(module, (form.example(),), dynamic_shapes=form.free(), strict=False)


def length_name(length: int) -> str:
    """The signature for texts of up to `length` tokens."""
    return f"length_{length}"
