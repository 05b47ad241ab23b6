"""Memory: how much there is must be said, how much of it Linux sees may be left out."""

from collections.abc import Callable
from pathlib import Path

from edgewright.specs.profiles import load_profile
from tests.specs.profiles.faults import PI_5, faults_of


def test_the_amount_of_memory_is_needed_and_what_linux_sees_is_not(toml_file: Callable[[str], Path]) -> None:
    without = "".join(line for line in PI_5.splitlines(keepends=True) if not line.startswith("usable_mb"))
    assert load_profile(toml_file(without)).memory.usable_mb is None
    without = "".join(line for line in PI_5.splitlines(keepends=True) if not line.startswith("ram_mb = {"))
    assert faults_of(without, toml_file)[0][0] == "memory.ram_mb"
