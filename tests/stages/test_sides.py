"""What a build asks a device to compute."""

from pathlib import Path

import pytest

from edgewright.modality.text_dataset import TextDataset
from edgewright.stages import sides
from tests.stages.builds import plan, recipe, side_of

pytestmark = pytest.mark.usefixtures("places_of_stages")


def test_what_is_asked_of_a_device_is_the_same_in_every_build(paired: Path) -> None:
    dataset = side_of(plan(recipe("embedding", paired))).dataset
    assert isinstance(dataset, TextDataset)
    asked = dataset.asked_texts(sides.VECTORS)
    assert asked == dataset.asked_texts(sides.VECTORS)
    assert len(set(asked)) == len(asked) == min(sides.VECTORS, len(dataset.texts.test))
