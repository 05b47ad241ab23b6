"""What a build asks a device to compute."""

from pathlib import Path

import pytest

from edgewright import stages
from edgewright.stages import sides
from tests.stages.builds import plan, recipe

pytestmark = pytest.mark.usefixtures("places_of_stages")


def test_what_is_asked_of_a_device_is_the_same_in_every_build(paired: Path) -> None:
    texts = stages.read_texts(plan(recipe("embedding", paired)))
    asked = stages.asked_texts(texts)
    assert asked == stages.asked_texts(texts)
    assert len(set(asked)) == len(asked) == min(sides.VECTORS, len(stages.texts_of(texts).test))
