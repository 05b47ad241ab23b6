"""What a model may take where no recipe sets a limit."""

from collections.abc import Callable
from pathlib import Path

from tests.specs.profiles.faults import PI_5, faults_of


def test_a_limit_is_no_more_than_the_memory_there_is(toml_file: Callable[[str], Path]) -> None:
    text = PI_5.replace("peak_memory_mb = { value = 256", "peak_memory_mb = { value = 32768")
    assert faults_of(text, toml_file) == [
        ("budget.peak_memory_mb", "32768 is above memory.ram_mb, 16384; a model cannot take more than there is")
    ]
