"""The devices that adb lists, and addresses of them."""

import pytest

from edgewright.errors import EnvironmentFaultError, InputError
from edgewright.targets import open_target
from edgewright.targets.transports.adb_devices import read_devices


@pytest.mark.parametrize(
    ("line", "state"),
    [
        ("R58M12345\tdevice\n", "device"),
        ("R58M12345\tunauthorized\n", "unauthorized"),
        ("R58M12345\tno permissions (user in plugdev group; are your udev rules wrong?)\n", "no permissions"),
        ("R58M12345\toffline\n", "offline"),
    ],
)
def test_the_states_that_adb_lists_are_read(line: str, state: str) -> None:
    printed = f"* daemon started successfully *\nList of devices attached\n{line}\n"
    assert read_devices(printed) == {"R58M12345": state}


@pytest.mark.parametrize("address", ["adb:", "adb:serial", "adb://a b", "adb://-d", "adb://x;y", "adb://x/y"])
def test_an_address_that_cannot_be_read_says_how_to_write_it(address: str) -> None:
    with pytest.raises(InputError, match="write adb://SERIAL"):
        open_target(address)


def test_without_adb_it_is_said_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(EnvironmentFaultError, match="apt-get install adb"):
        open_target("adb://serial")
