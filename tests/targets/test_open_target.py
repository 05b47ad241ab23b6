import subprocess
import sys

import pytest

from edgewright.errors import InputError, UnknownNameError
from edgewright.targets import open_target


def test_importing_targets_imports_no_transport() -> None:
    code = (
        "import sys, edgewright.targets; "
        "print([name for name in ('paramiko', 'torch', 'pydantic', 'cryptography') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize(
    "address",
    [
        "",
        "raspberrypi",
        "local:somewhere",
        "ssh://",
        "ssh:host",
        "ssh://host:port",
        "ssh://host:99999",
        "ssh://host/path",
        "ssh://host?key=x",
        "emulated:",
        "emulated://",
    ],
)
def test_an_address_that_cannot_be_read_is_the_users_fault_and_the_way_to_write_it_is_reported(address: str) -> None:
    with pytest.raises(InputError, match=r"write|is local: alone") as caught:
        open_target(address)
    assert "\n" not in str(caught.value)


def test_an_unknown_scheme_offers_the_nearest() -> None:
    with pytest.raises(UnknownNameError, match="did you mean emulated"):
        open_target("emulate://raspberry-pi-4")


def test_an_unknown_profile_offers_the_nearest() -> None:
    with pytest.raises(UnknownNameError, match="raspberry-pi-4"):
        open_target("emulated://raspbery-pi-4")


def test_a_password_in_an_address_is_refused_and_not_repeated() -> None:
    with pytest.raises(InputError, match="EDGEWRIGHT_SSH_PASSWORD") as caught:
        open_target("ssh://pi:secret@host")
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("address", ["local:", "ssh://pi@127.0.0.1"])
def test_only_emulated_targets_have_an_instruction_clock(address: str) -> None:
    with pytest.raises(InputError, match="instruction clock"):
        open_target(address, instruction_clock=True)
