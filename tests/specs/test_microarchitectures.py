"""Facts of cores agree with one another, and a name that is not known is answered with the nearest that is."""

import re

import pytest

from edgewright.specs.microarchitectures import CORES, unknown_core


@pytest.mark.parametrize("name", CORES)
def test_dot_products_give_at_least_twice_the_int8_of_a_core_without_them(name: str) -> None:
    core = CORES[name]
    assert core.int8_operations_per_cycle >= core.float_operations_per_cycle
    if core.dot_product:
        assert core.int8_operations_per_cycle % 32 == 0
        assert core.fp16


@pytest.mark.parametrize("name", [name for name, core in CORES.items() if core.emulated_as])
def test_a_core_is_emulated_by_one_with_the_same_int8_instructions(name: str) -> None:
    by_qemus_name = {each.lower(): core for each, core in CORES.items()}
    assert by_qemus_name[CORES[name].emulated_as].dot_product is CORES[name].dot_product


def test_what_an_arm_core_does_in_a_cycle_is_whole_vectors() -> None:
    for name, core in CORES.items():
        if re.match("Cortex|Carmel", name):
            assert core.float_operations_per_cycle % 8 == 0, name


def test_an_unknown_core_is_answered_with_the_nearest() -> None:
    assert unknown_core("Cortex-A73").startswith("is no core Edgewright knows; ")
    assert "Cortex-A7" in unknown_core("Cortex-A73")
    assert "did you mean x86-64" in unknown_core("x86_64")
