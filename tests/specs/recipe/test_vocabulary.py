"""Which word pieces stay."""

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.specs.recipe.faults import MINIMAL, faults


@pytest.mark.parametrize(
    ("setting", "sentence"),
    [("size = 255", "must be at least 256"), ("coverage = 0", "must be more than 0"), ("size = 1.5", "a whole number")],
)
def test_a_vocabulary_has_a_least_size_and_a_share(
    toml_file: Callable[[str], Path], setting: str, sentence: str
) -> None:
    (what,) = faults(toml_file, f"{MINIMAL}[stages.vocabulary]\n{setting}\n").values()
    assert sentence in what
