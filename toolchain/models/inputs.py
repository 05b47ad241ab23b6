"""Examples as a model takes them: batches of texts or of images, by their indexes.

In:  token ids, or pixels.
Out: for a batch of indexes, the tensors that a model is called with.
Also here: the piece that speaks for a word, in a text that was given as words.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from edgewright.errors import BadDataError
from edgewright.modality.color_channels import LUMINANCE, require_channels
from edgewright.modality.encoded import Encoded, first_places
from edgewright.models.compute_device import device_of
from edgewright.models.text import batches, padded
from edgewright.models.transformer import Transformer


class Inputs(Protocol):
    """Examples that a model can be run on: `model(*inputs.batch(indexes))` is its output."""

    @property
    def sizes(self) -> Sequence[int]:
        """What each example costs in a batch: a text its tokens, an image 1."""

    def __len__(self) -> int: ...

    def batch(self, indexes: Sequence[int]) -> tuple[Tensor, ...]:
        """The tensors of these examples, batch first."""


@dataclass(frozen=True)
class TextInputs:
    """Texts as tokens; a batch is ids and mask, padded to the longest in it."""

    rows: Sequence[Encoded]

    @property
    def sizes(self) -> Sequence[int]:
        """The tokens of each text."""
        return [len(row.ids) for row in self.rows]

    def __len__(self) -> int:
        return len(self.rows)

    def batch(self, indexes: Sequence[int]) -> tuple[Tensor, ...]:
        """ids and mask, both (batch, longest)."""
        return padded([self.rows[index] for index in indexes])


def batch_for(model: nn.Module, inputs: Inputs, indexes: Sequence[int]) -> tuple[Tensor, ...]:
    """The tensors of these examples, where the model is."""
    place = device_of(model)
    return tuple(each.to(place) for each in inputs.batch(indexes))


class ImageInputs:
    """Images; a batch is normalised float32 (batch, channels, height, width).

    `pixels` is (images, height, width, channels), bytes or floats from 0 to 1. `mean` and `std` are of that range,
    one for each channel or one for all. `channels`, where the model wants another number than the images have, makes
    grey ones coloured by repeating and coloured ones grey by their luminance.
    """

    def __init__(
        self,
        pixels: Tensor | NDArray,  # type: ignore[type-arg]
        *,
        mean: Sequence[float] = (0.0,),
        std: Sequence[float] = (1.0,),
        channels: int | None = None,
    ) -> None:
        self.pixels = torch.as_tensor(pixels)
        if self.pixels.ndim != 4 or not (self.pixels.dtype == torch.uint8 or self.pixels.is_floating_point()):
            found = f"{tuple(self.pixels.shape)} in {self.pixels.dtype}"
            raise BadDataError(f"images must be (images, height, width, channels) in bytes or floats, not {found}")
        has = self.pixels.shape[-1]
        self.channels = channels or has
        require_channels(has, self.channels)
        for name, values in (("mean", mean), ("std", std)):
            if len(values) not in (1, self.channels):
                raise BadDataError(
                    f"there are {len(values)} values of {name} for {self.channels} channels; give 1 or {self.channels}"
                )
        self.mean, self.std = torch.tensor(tuple(mean)), torch.tensor(tuple(std))

    @property
    def sizes(self) -> Sequence[int]:
        """1 for each image."""
        return [1] * len(self.pixels)

    def __len__(self) -> int:
        return len(self.pixels)

    def batch(self, indexes: Sequence[int]) -> tuple[Tensor, ...]:
        """The images, normalised, in a tuple of one."""
        taken = self.pixels[list(indexes)]
        images = taken.float() / 255 if taken.dtype == torch.uint8 else taken.float()
        if images.shape[-1] == 3 and self.channels == 1:
            images = (images * torch.tensor(LUMINANCE)).sum(dim=-1, keepdim=True)
        images = images.expand(*images.shape[:-1], self.channels)
        return (((images - self.mean) / self.std).permute(0, 3, 1, 2).contiguous(),)


def first_pieces(outputs: Sequence[Tensor], rows: Sequence[Encoded], counts: Sequence[int]) -> Tensor:
    """Outputs (tokens, classes) of each text → those of its words, (all words, classes), text after text.

    `counts` are the words that each text was given as. A word without a piece has outputs that are not a number.
    """
    parts = []
    for output, row, count in zip(outputs, rows, counts, strict=True):
        places = first_places(row)
        part = torch.full((count, output.shape[-1]), torch.nan)
        part[list(places)] = output[list(places.values())].float()
        parts.append(part)
    return torch.cat(parts)


def in_batches(encoder: Transformer, inputs: Inputs, tokens: int) -> list[list[int]]:
    """Indexes in batches of like size, each of at most `tokens` tokens of this encoder with their padding."""
    return batches(inputs.sizes, max(1, tokens // encoder.tokens_each))
