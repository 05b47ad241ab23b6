"""A profile that is sound, and what is wrong with one that is not."""

from collections.abc import Callable
from pathlib import Path

import pytest

from edgewright.errors import InvalidFileError
from edgewright.specs.profiles import find_profile, load_profile

PI_5 = find_profile("raspberry-pi-5").text


def faults_of(text: str, toml_file: Callable[[str], Path]) -> list[tuple[str, str]]:
    """(place without its line, sentence) of every fault that is reported."""
    with pytest.raises(InvalidFileError) as caught:
        load_profile(toml_file(text))
    return [(place.rpartition(", ")[2], what) for place, what in caught.value.faults]
