"""What is kept of what compression changed."""

from collections.abc import Callable
from pathlib import Path

from edgewright.specs.recipe import load_recipe
from tests.specs.recipe.faults import MINIMAL, faults


def test_attributions_are_reported_of_a_few_examples_and_of_none_unless_asked(toml_file: Callable[[str], Path]) -> None:
    assert load_recipe(toml_file(MINIMAL)).stages.account.attributions == 0
    (what,) = faults(toml_file, f"{MINIMAL}[stages.account]\nattributions = 21\n").values()
    assert what == "must be at most 20, not 21"
