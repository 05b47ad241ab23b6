"""An emulated board stands for a device's own core."""

from collections.abc import Callable
from pathlib import Path

import pytest

from edgewright.errors import InvalidFileError
from edgewright.specs.profiles import find_profile, load_profile


@pytest.mark.parametrize("cpu", ["max", "host"])
def test_a_cpu_that_is_no_devices_core_is_refused(toml_file: Callable[[str], Path], cpu: str) -> None:
    text = find_profile("raspberry-pi-5").text.replace('"cortex-a76"\nram_mb', f'"{cpu}"\nram_mb')
    with pytest.raises(InvalidFileError, match=r"emulation\.cpu: '\w+' is no device's core"):
        load_profile(toml_file(text))
