"""Where a device slows down is a temperature."""

from collections.abc import Callable
from pathlib import Path

from edgewright.specs.profiles import load_profile
from tests.specs.profiles.faults import PI_5, faults_of


def test_a_limit_is_a_temperature_and_may_be_unknown(toml_file: Callable[[str], Path]) -> None:
    faults = faults_of(PI_5.replace("limit_c = { value = 80", "limit_c = { value = -1"), toml_file)
    assert faults[0][0] == "thermal.limit_c.value"
    start, end = PI_5.index("[thermal]"), PI_5.index("[budget]")
    assert load_profile(toml_file(PI_5[:start] + PI_5[end:])).thermal is None
