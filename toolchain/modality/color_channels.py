"""Colour channels of images: which numbers of them are made into each other, and how. NumPy alone.

In:  images as bytes, (n, height, width, channels).
Out: the same images with the channels a model takes.
"""

import numpy as np
from numpy.typing import NDArray

from edgewright.errors import BadDataError

LUMINANCE = (0.299, 0.587, 0.114)  # ITU-R BT.601, as grey images are commonly made of coloured ones


def require_channels(has: int, wanted: int) -> None:
    """Raises `BadDataError` for numbers of channels that are not made into each other."""
    if has != wanted and {has, wanted} != {1, 3}:
        raise BadDataError(
            f"the images have {has} channels, but the model takes {wanted}; only grey (1) and coloured (3) are made "
            "into each other"
        )


def with_channels(pixels: NDArray[np.uint8], channels: int) -> NDArray[np.uint8]:
    """Bytes (n, height, width, c) with so many channels: grey ones repeated, coloured ones by their luminance.

    Raises `BadDataError` for numbers of channels that are not made into each other.
    """
    found: NDArray[np.uint8] = np.asarray(pixels, dtype=np.uint8)
    has = found.shape[-1]
    require_channels(has, channels)
    if has == channels:
        return found
    if channels == 1:
        return np.rint(found @ np.array(LUMINANCE, dtype=np.float32)).astype(np.uint8)[..., None]
    return np.repeat(found, channels, axis=-1)
