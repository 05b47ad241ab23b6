"""Tokens belong to the words and patches they are pieces of, whatever is batched with them."""

from typing import Any

import pytest
import torch

from edgewright.modality.encoded import Encoded
from edgewright.models.inputs import ImageInputs, TextInputs
from edgewright.models.transformer_shape import LayerShape
from edgewright.models.units import Units, ranges, rows_at, units_of
from edgewright.models.vision import VisionEncoder, VisionShape
from tests import tiny


def text_units() -> Units:
    """Of three texts: two words, one of them in two pieces; one; and three, the last in three pieces."""
    rows = [
        Encoded(ids=(1, 2, 3), words=(0, 0, 1)),
        Encoded(ids=(4,), words=(0,)),
        Encoded(ids=(5, 6, 7, 8, 9), words=(0, 1, 2, 2, 2)),
    ]
    return units_of(tiny.encoder(), TextInputs(rows))


def vectors(examples: int, longest: int) -> torch.Tensor:
    """Each token's vector is its place in the flattened batch."""
    return torch.arange(examples * longest, dtype=torch.float).view(examples, longest, 1)


def test_each_text_has_as_many_units_as_words() -> None:
    units = text_units()
    assert units.counts([0, 1, 2]).tolist() == [2, 1, 3]
    assert units.counts([2, 0]).tolist() == [3, 2]


def test_a_units_vector_is_the_mean_of_its_tokens_and_padding_is_none() -> None:
    joined = text_units().joined([0, 2])
    # The first text is padded to the five tokens of the other: its tokens are 0 to 2, the other's 5 to 9.
    assert joined.places.tolist() == [0, 1, 2, 5, 6, 7, 8, 9]
    assert joined.means(vectors(2, 5)).flatten().tolist() == [0.5, 2.0, 5.0, 6.0, 8.0]
    assert joined.firsts(vectors(2, 5)).flatten().tolist() == [0.0, 2.0, 5.0, 6.0, 7.0]
    assert joined.sizes.tolist() == [2, 1, 1, 1, 3]


def test_neighbours_of_one_word_each_are_not_taken_for_one() -> None:
    joined = text_units().joined([1, 1])
    assert joined.counts.tolist() == [1, 1]
    assert joined.firsts(vectors(2, 1)).flatten().tolist() == [0.0, 1.0]


def test_the_patches_of_images_are_alike_in_all() -> None:
    layer = LayerShape(heads=2, head_width=8, neurons=16)
    shape = VisionShape(width=16, layers=(layer,), image_height=8, image_width=16, patch=4)
    units = units_of(VisionEncoder(shape), ImageInputs(torch.zeros(2, 8, 16, 3)))
    tokens = shape.starts + 8
    assert units.counts([0, 1]).tolist() == [tokens, tokens]
    joined = units.joined([1, 0])
    assert torch.equal(joined.means(vectors(2, tokens)).flatten(), torch.arange(2.0 * tokens))


def test_what_has_no_units_is_told_by_both_names() -> None:
    nothing: Any = ImageInputs(torch.zeros(1, 8, 8, 3))
    with pytest.raises(TypeError, match="ImageInputs has no units that Encoder could be compared by"):
        units_of(tiny.encoder(), nothing)


def test_ranges_follow_one_another_also_where_some_are_empty() -> None:
    assert ranges(torch.tensor([5, 0, 9]), torch.tensor([2, 0, 3])).tolist() == [5, 6, 9, 10, 11]
    assert ranges(torch.tensor([], dtype=torch.long), torch.tensor([], dtype=torch.long)).tolist() == []


def test_rows_are_taken_where_they_are_asked_for_and_learned_through() -> None:
    rows = torch.eye(3, requires_grad=True)
    taken = rows_at(rows, torch.tensor([2, 2, 0]))
    assert torch.equal(taken, rows[[2, 2, 0]])
    taken.sum().backward()
    assert rows.grad is not None
    assert rows.grad.sum(dim=1).tolist() == [3.0, 0.0, 6.0]
