"""Which runtimes a device is offered, and how models are shaped for it."""

from collections.abc import Callable
from pathlib import Path

from tests.specs.profiles.faults import PI_5, faults_of


def test_a_runtime_that_is_not_known_is_refused_with_the_nearest(toml_file: Callable[[str], Path]) -> None:
    (fault,) = faults_of(PI_5.replace('"litert", "onnx"', '"litret", "onnx"'), toml_file)
    assert fault[0].startswith("preferences.runtimes")
    assert "did you mean litert" in fault[1]


def test_a_device_is_offered_one_runtime_at_least(toml_file: Callable[[str], Path]) -> None:
    listed = PI_5[PI_5.index("runtimes = [") : PI_5.index("packages = {")]
    assert faults_of(PI_5.replace(listed, "runtimes = []\n"), toml_file)[0][0] == "preferences.runtimes"
