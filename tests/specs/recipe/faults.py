"""A minimal recipe, and the faults that are told of one."""

from collections.abc import Callable
from pathlib import Path

import pytest

from edgewright.errors import InvalidFileError
from edgewright.specs.recipe import load_recipe

MINIMAL = """
[recipe]
name = "mine"
[model]
folder = "teacher"
[task]
kind = "embedding"
[data]
builtin = "stdlib-search"
"""


def faults(write: Callable[[str], Path], text: str) -> dict[str, str]:
    with pytest.raises(InvalidFileError) as caught:
        load_recipe(write(text))
    return dict(caught.value.faults)
