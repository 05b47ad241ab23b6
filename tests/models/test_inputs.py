"""Examples in batches: texts padded to the longest, images normalised and in the channels the model takes."""

import numpy as np
import pytest
import torch

from edgewright.errors import BadDataError
from edgewright.modality.encoded import first_places
from edgewright.models.inputs import ImageInputs, TextInputs, first_pieces
from tests import tiny


def test_texts_are_padded_to_the_longest_of_their_batch() -> None:
    rows = tiny.rows(9)
    inputs = TextInputs(rows)
    ids, mask = inputs.batch([4, 2])
    assert len(inputs) == 9
    assert ids.shape == mask.shape == (2, max(len(rows[4].ids), len(rows[2].ids)))
    assert tuple(ids[0, : len(rows[4].ids)].tolist()) == rows[4].ids
    assert list(inputs.sizes) == [len(row.ids) for row in rows]


def test_bytes_are_normalised_and_channels_come_before_rows() -> None:
    pixels = np.arange(2 * 3 * 4 * 3, dtype=np.uint8).reshape(2, 3, 4, 3)
    inputs = ImageInputs(pixels, mean=(0.1, 0.2, 0.3), std=(0.5, 0.25, 2.0))
    (batch,) = inputs.batch([1, 0])
    assert (batch.shape, batch.dtype, list(inputs.sizes)) == ((2, 3, 3, 4), torch.float32, [1, 1])
    assert batch[0, 1, 2, 3] == pytest.approx((pixels[1, 2, 3, 1] / 255 - 0.2) / 0.25)


def test_floats_are_taken_as_they_are() -> None:
    pixels = torch.rand(2, 3, 4, 1)
    assert torch.equal(ImageInputs(pixels).batch([0, 1])[0], pixels.permute(0, 3, 1, 2))


def test_grey_images_become_coloured_and_coloured_ones_grey_where_the_model_wants_it() -> None:
    grey = np.full((1, 2, 2, 1), 51, dtype=np.uint8)
    (batch,) = ImageInputs(grey, channels=3, mean=(0.0, 0.1, 0.2)).batch([0])
    assert batch[0, :, 0, 0].tolist() == pytest.approx([0.2, 0.1, 0.0])
    coloured = np.zeros((1, 2, 2, 3), dtype=np.uint8)
    coloured[..., 1] = 255
    (batch,) = ImageInputs(coloured, channels=1).batch([0])
    assert batch.shape == (1, 1, 2, 2)
    assert batch[0, 0, 0, 0] == pytest.approx(0.587)


@pytest.mark.parametrize(
    ("shape", "settings", "said"),
    [
        ((2, 3, 3), {}, "must be .images, height, width, channels."),
        ((2, 3, 3, 4), {"channels": 3}, "the images have 4 channels, but the model takes 3"),
        ((2, 3, 3, 3), {"mean": (0.1, 0.2)}, "there are 2 values of mean for 3 channels; give 1 or 3"),
    ],
)
def test_images_of_another_form_are_told(shape: tuple[int, ...], settings: dict[str, object], said: str) -> None:
    with pytest.raises(BadDataError, match=said):
        ImageInputs(np.zeros(shape, dtype=np.uint8), **settings)  # type: ignore[arg-type]


def test_whole_numbers_that_are_no_bytes_are_told() -> None:
    with pytest.raises(BadDataError, match=r"in bytes or floats, not .* in torch\.int64"):
        ImageInputs(np.zeros((1, 2, 2, 1), dtype=np.int64))


def test_the_first_piece_of_each_word_speaks_for_it() -> None:
    rows = tiny.tokenizer().encode_words([["warmest", "rain"], ["rain"]])
    assert first_places(rows[0]) == {0: 1, 1: 3}
    outputs = [torch.arange(10.0).reshape(5, 2), torch.arange(6.0).reshape(3, 2)]
    assert first_pieces(outputs, rows, [2, 1]).tolist() == [[2.0, 3.0], [6.0, 7.0], [2.0, 3.0]]
