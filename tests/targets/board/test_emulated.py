"""An address stands for its profile's machine; a board of a target's own goes with it, whatever fails."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from edgewright.errors import InputError, UnreachableError
from edgewright.targets.board import emulated
from edgewright.targets.board.emulated import EmulatedTarget, login_of, machine_of, open_address
from edgewright.targets.board.qemu import EmulatedMachine

ADDRESS = "emulated://raspberry-pi-4"


class Ssh:
    """Stands for the connection to a board."""

    def __init__(self, login: Any) -> None:
        self.login, self.closed = login, 0

    def close(self) -> None:
        self.closed += 1
        raise UnreachableError("it went away")


@pytest.fixture
def board(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> SimpleNamespace:
    """A board that boots at once, and counts how often it was stopped."""
    found = SimpleNamespace(stopped=0, booted=[], port=2222)

    def close() -> None:
        found.stopped += 1

    def boot(image: Any, machine: EmulatedMachine) -> SimpleNamespace:
        found.booted.append(machine)
        return SimpleNamespace(port=found.port, close=close)

    monkeypatch.setattr(emulated, "board_image", lambda: SimpleNamespace(client_key=tmp_path, host_key="ssh-x AAAA"))
    monkeypatch.setattr(emulated, "boot", boot)
    monkeypatch.setattr(emulated, "find_up", lambda address, machine: None)
    monkeypatch.setattr(emulated, "SshTarget", Ssh)
    return found


def test_an_address_stands_for_the_machine_of_its_profile() -> None:
    assert machine_of(ADDRESS, instruction_clock=True) == EmulatedMachine(
        cpu="cortex-a72", ram_mb=1024, cpus=4, instruction_clock=True
    )


@pytest.mark.parametrize("address", ["emulated://", "emulated:", "ssh://raspberry-pi-4", "raspberry-pi-4"])
def test_an_address_without_a_profile_is_told_how_to_write_one(address: str) -> None:
    with pytest.raises(InputError, match="write it as emulated://raspberry-pi-4"):
        machine_of(address, instruction_clock=False)


def test_a_profile_that_cannot_be_emulated_and_one_that_is_not_known_are_reported() -> None:
    with pytest.raises(InputError, match=r"x86-64 says nothing about emulation; add an \[emulation\] table"):
        machine_of("emulated://x86-64", instruction_clock=False)
    with pytest.raises(InputError, match="did you mean raspberry-pi-4"):
        machine_of("emulated://raspberry-pie-4", instruction_clock=False)


def test_a_board_of_its_own_is_logged_into_by_its_key_alone_and_goes_with_the_target(board: SimpleNamespace) -> None:
    target = open_address(ADDRESS, instruction_clock=True)
    assert [each.instruction_clock for each in board.booted] == [True]
    assert (target.address, target.emulated) == (ADDRESS, True)
    login = target._ssh.login  # type: ignore[attr-defined]
    assert (login.host, login.port, login.user, login.others) == ("127.0.0.1", 2222, "root", False)
    assert login.pinned_host_key == "ssh-x AAAA"
    target.close()  # though the connection fails as it is closed
    assert board.stopped == 1


def test_a_board_that_lets_nobody_in_is_stopped(board: SimpleNamespace, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(login: Any) -> None:
        raise UnreachableError("no way in")

    monkeypatch.setattr(emulated, "SshTarget", refused)
    with pytest.raises(UnreachableError, match="no way in"):
        open_address(ADDRESS, instruction_clock=False)
    assert board.stopped == 1


def test_a_board_that_is_up_is_used_and_stays_up(
    board: SimpleNamespace, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    up = SimpleNamespace(address=ADDRESS, port=3333, client_key=tmp_path, host_key="ssh-x BBBB")
    monkeypatch.setattr(emulated, "find_up", lambda address, machine: up)
    target = open_address(ADDRESS, instruction_clock=False)
    assert isinstance(target, EmulatedTarget)
    assert target._ssh.login == login_of(up)  # type: ignore[arg-type]
    assert login_of(up).port == 3333  # type: ignore[arg-type]
    target.close()
    assert (board.booted, board.stopped) == ([], 0)
