"""A runtime's descriptor: its file's name, its packages' versions, and what is imported when it is called."""

from dataclasses import replace

import pytest

from edgewright.runtimes.descriptor import System, deferred
from edgewright.runtimes.table import RUNTIMES


def test_a_deferred_function_is_imported_when_it_is_called() -> None:
    later = deferred("edgewright.nowhere:function")
    with pytest.raises(ModuleNotFoundError):
        later()
    assert deferred("math:hypot")(3, 4) == 5


def test_an_artifact_is_named_by_its_runtime() -> None:
    assert [RUNTIMES[name].file_name for name in ("litert", "tflite")] == ["model.tflite", "model-tflite.tflite"]


def test_versions_are_told_of_those_packages_that_are_installed() -> None:
    runtime = replace(RUNTIMES["executorch"], packages=("numpy", "no-such-package"))
    assert list(runtime.versions()) == ["numpy"]


@pytest.mark.parametrize(
    ("machine", "bits", "narrow"),
    [
        ("aarch64", 64, False),
        ("aarch64", 32, True),
        ("armv7l", 32, True),
        ("x86_64", 32, False),
        ("armv8l", None, False),
    ],
)
def test_a_system_of_32_bits_on_an_arm_is_told_from_others(machine: str, bits: int | None, narrow: bool) -> None:
    assert System(address="fake:", machine=machine, word_bits=bits).is_narrow_arm is narrow
