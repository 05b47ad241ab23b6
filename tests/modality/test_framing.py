"""Framing: a picture resized, and cropped to its middle."""

import numpy as np

from edgewright.modality.framing import Framing


def test_the_middle_of_a_picture_that_is_too_small_has_black_around_it() -> None:
    picture = np.full((2, 5, 3), 9, dtype=np.uint8)
    framed = Framing(crop=(4, 4)).of(picture)
    from transformers.image_transforms import center_crop

    expected = center_crop(picture, (4, 4), input_data_format="channels_last")
    assert framed.shape == (4, 4, 3)
    assert np.array_equal(framed, expected)
