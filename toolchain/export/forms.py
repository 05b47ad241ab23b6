"""What an artifact takes: a text's ids, or an image's bytes.

In:  sizes.
Out: a `Form`: the example that a module is exported with, and one input as a tensor of it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

SHORTEST = 2  # a first and a last token are always there
EXAMPLE_LENGTH = 16
IMAGE = "image"  # the one signature of an artifact for images

Input = Sequence[int] | NDArray[np.uint8]
"""A text's ids, or an image (height, width, channels)."""

Given = Sequence[Sequence[int]] | NDArray[np.uint8]
"""Several: ids of one text each, or images (n, height, width, channels)."""


@dataclass(frozen=True, kw_only=True)
class TextForm:
    """Ids (1, n): for any n from 2 to `max_length`, or where shapes are fixed for each n of `lengths`."""

    max_length: int
    lengths: tuple[int, ...] = ()
    name = "ids"

    def example(self) -> Tensor:
        """A text of token 1 only, (1, 16) int64: its values do not matter to an export."""
        return torch.ones(1, EXAMPLE_LENGTH, dtype=torch.long)

    def free(self) -> tuple[dict[int, Any]]:
        """What `torch.export` is told of the one input: its second size is free."""
        return ({1: torch.export.Dim("length", min=SHORTEST, max=self.max_length)},)

    def tensor(self, given: Input) -> Tensor:
        """One text at its own length, (1, n) int64."""
        return torch.tensor([list(given)])

    def signatures(self) -> Mapping[str, Tensor]:
        """An example for each fixed shape, int32, by the shape's name."""
        return {length_name(length): torch.ones(1, length, dtype=torch.int32) for length in self.lengths}

    def fixed(self, given: Input) -> tuple[str, Tensor]:
        """The smallest fixed shape that holds a text, and the text filled up with padding to it."""
        return self._filled(given, next(length for length in self.lengths if length >= len(given)))

    def every_fixed(self, given: Input) -> dict[str, Tensor]:
        """Each fixed shape that holds a text, the smallest first, and the text filled up with padding to it."""
        return dict(self._filled(given, length) for length in self.lengths if length >= len(given))

    def _filled(self, given: Input, length: int) -> tuple[str, Tensor]:
        filled = torch.zeros(1, length, dtype=torch.int32)
        filled[0, : len(given)] = torch.as_tensor(given)
        return length_name(length), filled


@dataclass(frozen=True, kw_only=True)
class ImageForm:
    """Bytes (1, height, width, channels), as a decoder or a camera gives them; sizes are in pixels."""

    height: int
    width: int
    channels: int
    name = "pixels"
    lengths: tuple[int, ...] = ()

    @property
    def shape(self) -> tuple[int, int, int]:
        """(height, width, channels)."""
        return self.height, self.width, self.channels

    def example(self) -> Tensor:
        """A black image."""
        return torch.zeros(1, *self.shape, dtype=torch.uint8)

    def free(self) -> None:
        """No size is."""

    def tensor(self, given: Input) -> Tensor:
        """One image, (1, height, width, channels) uint8."""
        return torch.from_numpy(np.array(given, dtype=np.uint8)).reshape(1, *self.shape)

    def signatures(self) -> Mapping[str, Tensor]:
        """The one there is."""
        return {IMAGE: self.example()}

    def fixed(self, given: Input) -> tuple[str, Tensor]:
        """The one there is, and the image."""
        return IMAGE, self.tensor(given)

    def every_fixed(self, given: Input) -> dict[str, Tensor]:
        """The one there is, and the image."""
        return {IMAGE: self.tensor(given)}


Form = TextForm | ImageForm


def exported(module: nn.Module, form: Form) -> Any:
    """The module as `torch.export` has it, for what the form says."""
    return torch.export.export(module, (form.example(),), dynamic_shapes=form.free(), strict=False)


def length_name(length: int) -> str:
    """The signature for texts of up to `length` tokens."""
    return f"length_{length}"
