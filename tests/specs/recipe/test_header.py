"""What a recipe is called."""

from collections.abc import Callable
from pathlib import Path

import pytest

from edgewright.specs.recipe import load_recipe
from tests.specs.recipe.faults import MINIMAL, faults


@pytest.mark.parametrize("name", ["Mine", "a b", "-a", ""])
def test_a_name_is_of_lower_case_letters_digits_dots_and_dashes(toml_file: Callable[[str], Path], name: str) -> None:
    (what,) = faults(toml_file, MINIMAL.replace('"mine"', f'"{name}"')).values()
    assert what.startswith("must have the form lower-case letters, digits, dots and dashes")


def test_a_recipe_needs_no_description(toml_file: Callable[[str], Path]) -> None:
    assert load_recipe(toml_file(MINIMAL)).description == ""
