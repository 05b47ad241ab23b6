"""Colour channels: grey images made coloured, coloured ones grey, and no other number of channels."""

from typing import Any

import numpy as np
import pytest

from edgewright.errors import BadDataError
from edgewright.modality.color_channels import with_channels


def noise(count: int, height: int, width: int, channels: int) -> Any:
    return np.random.default_rng(0).integers(0, 256, (count, height, width, channels), dtype=np.uint8)


def test_grey_images_are_made_coloured_and_coloured_ones_grey() -> None:
    grey, coloured = noise(2, 4, 4, 1), noise(2, 4, 4, 3)
    assert np.array_equal(with_channels(grey, 3), np.repeat(grey, 3, axis=-1))
    assert with_channels(grey, 1) is grey
    made = with_channels(coloured, 1)
    assert made.shape == (2, 4, 4, 1)
    assert made[0, 0, 0, 0] == round(float(coloured[0, 0, 0] @ np.array([0.299, 0.587, 0.114])))
    assert np.array_equal(with_channels(np.repeat(grey, 3, axis=-1), 1), grey)
    with pytest.raises(BadDataError, match="have 4 channels, but the model takes 3"):
        with_channels(noise(1, 2, 2, 4), 3)
