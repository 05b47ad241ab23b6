"""Copies of images that were shifted and turned."""

import numpy as np

from edgewright.data.moved import with_moved


def lines() -> np.ndarray:
    """Two coloured images, each of one bright line."""
    pixels = np.zeros((2, 16, 12, 3), dtype=np.uint8)
    pixels[0, :, 5], pixels[1, 7, :] = 255, 255
    return pixels


def test_the_images_come_first_as_they_were_and_then_so_many_copies_of_all() -> None:
    moved = with_moved(lines(), copies=3)
    assert moved.shape == (8, 16, 12, 3)
    assert moved.dtype == np.uint8
    assert np.array_equal(moved[:2], lines())
    copies = moved[2:].reshape(3, 2, 16, 12, 3)
    assert not any(np.array_equal(copy, lines()) for copy in copies)
    assert len({copy.tobytes() for copy in copies}) == 3


def test_a_copy_is_what_it_was_a_little_elsewhere() -> None:
    for copy in with_moved(lines(), copies=20)[2::2]:
        bright = np.argwhere(copy[..., 0] > 100)
        assert len(bright) >= 12
        assert np.abs(bright[:, 1] - 5).max() <= 1.5 + 8 * np.tan(np.radians(12)) + 1
        assert np.array_equal(copy[..., 0], copy[..., 2])


def test_an_even_image_stays_even_to_its_edges() -> None:
    even = np.full((1, 8, 8, 1), 200, dtype=np.uint8)
    assert np.array_equal(with_moved(even, copies=5), np.repeat(even, 6, axis=0))


def test_the_same_seed_moves_alike_and_no_images_stay_none() -> None:
    assert np.array_equal(with_moved(lines(), copies=2), with_moved(lines(), copies=2))
    assert not np.array_equal(with_moved(lines(), copies=2), with_moved(lines(), copies=2, seed=1))
    assert with_moved(np.zeros((0, 8, 8, 1), dtype=np.uint8), copies=2).shape == (0, 8, 8, 1)
    assert np.array_equal(with_moved(lines(), copies=0), lines())
