"""Which members of the wheel a device gets, and which variant a machine."""

import pytest

from edgewright.errors import TargetError
from edgewright.runtimes.descriptor import System
from edgewright.runtimes.litert.device import PROVIDER


def test_of_its_wheel_a_device_gets_what_running_a_model_opens() -> None:
    assert PROVIDER.wheel.package == "ai-edge-litert"
    assert PROVIDER.wheel.keeps("ai_edge_litert/interpreter.py")
    assert not PROVIDER.wheel.keeps("ai_edge_litert/tools/flatbuffer_utils.py")


def test_a_machine_gets_what_its_own_python_runs_and_this_one_its_own_interpreter() -> None:
    there = System(address="fake:", machine="aarch64", word_bits=64, libc="glibc 2.36", python="3.11")
    variant = PROVIDER.variant_for(there)
    assert (variant.machine, variant.python, variant.with_c_library) == ("aarch64", "3.11", False)
    here = System(address="local:", machine="x86_64", libc="glibc 2.36", python="3.13", is_host=True)
    assert PROVIDER.variant_for(here).python is None


def test_a_machine_without_glibc_is_told_of_the_runtime_that_brings_its_own() -> None:
    with pytest.raises(TargetError, match="which litert needs; use executorch, which brings its own"):
        PROVIDER.variant_for(System(address="fake:", machine="aarch64", word_bits=64))
