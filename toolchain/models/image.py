"""Images through a model: outputs of many, and the one image that is exported.

In:  pixels.
Out: what a vision transformer or a convolutional net says of them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from edgewright.models import families
from edgewright.models.inputs import Inputs, batch_for
from edgewright.models.model import TransformerModel

BRIGHTEST = 255
INFERENCE_BATCH = 64
ImageModel = nn.Module  # of any family that takes images


@dataclass(frozen=True, kw_only=True)
class Scaling:
    """How an image is made a model's input: resized, then (value − mean) / deviation for each channel.

    Values are 0 to 1; lengths are in pixels.
    """

    height: int
    width: int
    mean: tuple[float, ...]
    deviation: tuple[float, ...]

    @property
    def channels(self) -> int:
        """How many the model takes."""
        return len(self.mean)


class ImageModule(nn.Module):
    """What is exported: the bytes of images, (images, height, width, channels), to their outputs, (images, outputs).

    Scaling them is part of it, and a net's batch norms are part of its convolutions.
    """

    factor: Tensor
    offset: Tensor

    def __init__(self, model: ImageModel, scaling: Scaling) -> None:
        super().__init__()
        self.model = families.to_run(model)
        mean, deviation = torch.tensor(scaling.mean), torch.tensor(scaling.deviation)
        self.register_buffer("factor", (1 / (BRIGHTEST * deviation)).view(-1, 1, 1))
        self.register_buffer("offset", (mean / deviation).view(-1, 1, 1))

    def forward(self, pixels: Tensor) -> Tensor:
        """(images, height, width, channels) uint8 → (images, outputs)."""
        if isinstance(self.model, TransformerModel) and pixels.shape[0] == 1:  # as with a text
            output: Tensor = self.model(self._scaled(pixels[0].permute(2, 0, 1)))[None]
        else:
            output = self.model(self._scaled(pixels.permute(0, 3, 1, 2)))
        return output

    def _scaled(self, pixels: Tensor) -> Tensor:
        return pixels.to(self.factor.dtype) * self.factor - self.offset


def outputs(model: nn.Module, images: Inputs, *, on_progress: Callable[[int], None] | None = None) -> Tensor:
    """The model's output for each image in float32, (images, outputs), in main memory.

    `on_progress` hears how many are done.
    """
    found = []
    with torch.inference_mode():
        for first in range(0, len(images), INFERENCE_BATCH):
            indexes = range(first, min(first + INFERENCE_BATCH, len(images)))
            found.append(model(*batch_for(model, images, indexes)).float().cpu())
            if on_progress:
                on_progress(indexes.stop)
    return torch.cat(found)
