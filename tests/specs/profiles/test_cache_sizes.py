"""A cache has a size, or is left out."""

from collections.abc import Callable
from pathlib import Path

from edgewright.specs.profiles import load_profile
from tests.specs.profiles.faults import PI_5, faults_of


def test_a_cache_of_no_size_is_refused_and_one_that_is_not_known_is_left_out(toml_file: Callable[[str], Path]) -> None:
    assert faults_of(PI_5.replace("l3_kib = { value = 2048", "l3_kib = { value = 0"), toml_file)[0][0] == (
        "caches.l3_kib.value"
    )
    without = "".join(line for line in PI_5.splitlines(keepends=True) if not line.startswith("l3_kib"))
    assert load_profile(toml_file(without)).caches.l3_kib is None
