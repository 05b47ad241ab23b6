import pytest

from edgewright.errors import InputError
from edgewright.targets.cores import core_name, core_numbers


def test_a_list_of_cores_is_read_as_the_kernel_and_taskset_write_it() -> None:
    assert core_numbers("0") == (0,)
    assert core_numbers("0,4-6, 4") == (0, 4, 5, 6)


@pytest.mark.parametrize("listed", ["", "a", "3-1", "1-", "-1", "0,,1", "0-5000"])
def test_what_is_no_list_of_cores_is_refused(listed: str) -> None:
    with pytest.raises(InputError, match="is no list of cores; write it as"):
        core_numbers(listed)


def test_a_core_that_is_not_known_is_called_by_its_part() -> None:
    assert core_name("0x41", "0xD08") == "Cortex-A72"
    assert core_name("0x51", "0x999") == "Qualcomm part 0x999"
