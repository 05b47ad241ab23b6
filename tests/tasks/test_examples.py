"""The parts of a task's examples, by their names."""

import pytest

from edgewright.data.texts import Example, Texts
from edgewright.tasks.examples import part_of


@pytest.mark.parametrize("name", ["train", "validation", "test"])
def test_a_part_is_found_by_its_name(name: str) -> None:
    parts = {each: (Example(text=each),) for each in ("train", "validation", "test")}
    (example,) = part_of(Texts(**parts), name)
    assert example.text == name
