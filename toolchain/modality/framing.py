"""How a picture gets the size that a model takes: resized, and cropped to its middle, as the model's own library does.

In:  a picture as bytes, (height, width) or (height, width, channels).
Out: the same, framed.
Which framing a model has is `preprocessor`'s to find; this module needs no more than PIL.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

RESAMPLING = ("nearest", "lanczos", "bilinear", "bicubic", "box", "hamming")  # by PIL's numbers


@dataclass(frozen=True, kw_only=True)
class Framing:
    """How a picture gets its size: to `resize` (height, width), or its shorter side to `shortest`; then, with `crop`,
    the middle of that size is taken. Lengths are in pixels.
    """

    resize: tuple[int, int] | None = None
    shortest: int | None = None
    crop: tuple[int, int] | None = None
    resample: str = "bilinear"

    @property
    def size(self) -> tuple[int, int] | None:
        """(height, width) of every picture framed so; None where pictures keep their own proportions or size."""
        return self.crop or self.resize

    def of(self, pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """One picture, (height, width) or (height, width, channels), framed."""
        height, width = pixels.shape[:2]
        size = self.resize
        if self.shortest is not None:
            short, long = min(height, width), max(height, width)
            other = int(self.shortest * long / short)
            size = (other, self.shortest) if width <= height else (self.shortest, other)
        if size is not None and size != (height, width):
            pixels = _resized(pixels, size, self.resample)
        return _middle(pixels, self.crop) if self.crop else pixels

    def __str__(self) -> str:
        parts = []
        if self.resize:
            parts.append(f"resized to {self.resize[0]} × {self.resize[1]} ({self.resample})")
        if self.shortest:
            parts.append(f"resized to a shorter side of {self.shortest} ({self.resample})")
        if self.crop:
            parts.append(f"cropped to the middle {self.crop[0]} × {self.crop[1]}")
        return ", ".join(parts) or "as they are"


def _resized(pixels: NDArray[np.uint8], size: tuple[int, int], resample: str) -> NDArray[np.uint8]:
    from PIL import Image

    plain = pixels[..., 0] if pixels.ndim == 3 and pixels.shape[-1] == 1 else pixels
    made = Image.fromarray(plain).resize((size[1], size[0]), Image.Resampling[resample.upper()])
    found = np.asarray(made, dtype=np.uint8)
    return found[..., None] if plain is not pixels else found


def _middle(pixels: NDArray[np.uint8], size: tuple[int, int]) -> NDArray[np.uint8]:
    """The middle, with black around a picture that is smaller, as transformers' center_crop."""
    height, width = pixels.shape[:2]
    around = [max(wanted - had, 0) for wanted, had in zip(size, (height, width), strict=True)]
    before = [-(-each // 2) for each in around]
    margins = [(first, each - first) for first, each in zip(before, around, strict=True)]
    ground = np.pad(pixels, [*margins, *[(0, 0)] * (pixels.ndim - 2)])
    top, left = ((had - wanted) // 2 + first for had, wanted, first in zip((height, width), size, before, strict=True))
    return ground[top : top + size[0], left : left + size[1]]
