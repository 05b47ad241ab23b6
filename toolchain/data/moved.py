"""Moved copies of images: to learn that a thing stays what it is where it stands a little elsewhere.

In:  pixels.
Out: the images themselves, then so many copies of all, each shifted and turned by chance.
"""

from __future__ import annotations

import math
import random

import numpy as np
from numpy.typing import NDArray

LARGEST_SHIFT = 1 / 8  # of the image's sides
LARGEST_TURN = 12.0  # in degrees: a 6 must not become a 9


def with_moved(pixels: NDArray[np.uint8], *, copies: int, seed: int = 0) -> NDArray[np.uint8]:
    """Images (n, height, width, channels) → ((1 + copies) × n, height, width, channels).

    What comes in from outside repeats the edge.
    """
    chance = random.Random(seed)
    moved = [np.stack([_moved(image, chance) for image in pixels]) for _ in range(copies if len(pixels) else 0)]
    return np.concatenate([pixels, *moved])


def _moved(image: NDArray[np.uint8], chance: random.Random) -> NDArray[np.uint8]:
    from PIL import Image

    height, width, channels = image.shape
    turn, down, right = (chance.uniform(-1, 1) for _ in range(3))
    margins = [math.ceil(side / 4) for side in (height, width)]
    wide = np.pad(image, [(margins[0],) * 2, (margins[1],) * 2, (0, 0)], mode="edge")
    angle = math.radians(turn * LARGEST_TURN)
    cos, sin = math.cos(angle), math.sin(angle)
    middle_x, middle_y = wide.shape[1] / 2, wide.shape[0] / 2
    from_x, from_y = middle_x + right * LARGEST_SHIFT * width, middle_y + down * LARGEST_SHIFT * height
    # Where each pixel of the copy comes from: turned around the middle, then shifted.
    matrix = (
        *(cos, -sin, from_x - cos * middle_x + sin * middle_y),
        *(sin, cos, from_y - sin * middle_x - cos * middle_y),
    )
    bands = []
    for band in range(channels):
        moved = Image.fromarray(wide[..., band]).transform(
            (wide.shape[1], wide.shape[0]), Image.Transform.AFFINE, matrix, resample=Image.Resampling.BILINEAR
        )
        bands.append(np.asarray(moved))
    inside = np.stack(bands, axis=-1)
    return inside[margins[0] : margins[0] + height, margins[1] : margins[1] + width]
