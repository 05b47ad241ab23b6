"""Ranks of matrices."""

from collections.abc import Callable
from pathlib import Path

from tests.specs.recipe.faults import MINIMAL, faults


def test_low_rank_goes_by_one_rule(toml_file: Callable[[str], Path]) -> None:
    settings = "energy = 0.9\nkeep_parameters = 0.5"
    (what,) = faults(toml_file, f"{MINIMAL}[stages.low_rank]\n{settings}\n").values()
    assert "takes energy or keep_parameters, not both" in what
