"""Boards that stay up are found by their address and clock, told from processes of the same number, and forgotten."""

import subprocess
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest

from edgewright.errors import BoardError, InputError
from edgewright.targets.board import standing
from edgewright.targets.board.qemu import EmulatedMachine
from edgewright.targets.board.standing import READY, RECORD, StandingBoard, boards_at, boards_up, bring_up, find_up
from edgewright.targets.process_ids import ENDED, Process

ADDRESS = "emulated://raspberry-pi-4"
MACHINE = EmulatedMachine(cpu="cortex-a72", ram_mb=1024, cpus=4)
BY_INSTRUCTIONS = replace(MACHINE, instruction_clock=True)


@pytest.fixture(autouse=True)
def own_state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EDGEWRIGHT_STATE_DIR", str(tmp_path / "state"))


@pytest.fixture
def processes() -> Iterator[Callable[[], Process]]:
    """Processes that stand for emulators."""
    started: list[subprocess.Popen[bytes]] = []

    def start() -> Process:
        started.append(subprocess.Popen(["sleep", "60"]))
        found = Process.of(started[-1].pid)
        assert found is not None
        return found

    yield start
    for each in started:
        each.kill()
        each.wait()


def remembered(
    process: Process, machine: EmulatedMachine = MACHINE, *, since: float = 0.0, ready: bool = True
) -> StandingBoard:
    folder = standing._folder(ADDRESS, machine)
    folder.mkdir(parents=True)
    board = StandingBoard(address=ADDRESS, machine=machine, process=process, port=2222, since=since, folder=folder)
    standing._remember(board)
    if ready:
        (folder / READY).touch()
    return board


def test_boards_are_listed_the_latest_at_the_end_and_ended_ones_are_not(processes: Callable[[], Process]) -> None:
    later = remembered(processes(), since=200.0)
    earlier = remembered(processes(), BY_INSTRUCTIONS, since=100.0, ready=False)
    remembered(ENDED, replace(MACHINE, cpus=1), since=300.0)
    assert boards_up() == (earlier, later)
    assert boards_at(ADDRESS) == (earlier, later)
    assert (earlier.ready, earlier.clock, later.ready, later.clock) == (False, "instructions", True, "wall")


def test_a_board_is_found_by_its_clock_and_only_when_it_takes_logins(processes: Callable[[], Process]) -> None:
    board = remembered(processes(), ready=False)
    assert find_up(ADDRESS, MACHINE) is None
    (board.folder / READY).touch()
    assert find_up(ADDRESS, MACHINE) == board
    assert find_up(ADDRESS, BY_INSTRUCTIONS) is None
    assert find_up("emulated://raspberry-pi-5", MACHINE) is None


def test_a_process_of_the_same_number_is_no_board_and_is_never_ended(processes: Callable[[], Process]) -> None:
    other = processes()
    board = remembered(replace(other, started=other.started - 1))
    assert find_up(ADDRESS, MACHINE) is None
    board.stop()
    assert other.lives()
    assert not board.folder.exists()


def test_a_board_that_is_stopped_has_ended_and_is_forgotten(processes: Callable[[], Process]) -> None:
    board = remembered(processes())
    board.stop()
    assert not board.process.lives()
    assert boards_up() == ()
    board.stop()  # once more is no fault


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"address": 1, "machine": {"core": "x"}}', "\xff"])
def test_a_record_that_cannot_be_read_is_no_board(text: str) -> None:
    board = remembered(ENDED)
    (board.folder / RECORD).write_bytes(text.encode("latin-1"))
    assert boards_up() == ()
    assert find_up(ADDRESS, MACHINE) is None


def test_an_address_that_is_not_up_is_reported_with_the_command_that_brings_it_up() -> None:
    with pytest.raises(InputError, match=f"bring it up with `edgewright target up {ADDRESS}`"):
        boards_at(ADDRESS)


def test_a_board_says_its_key_as_openssh_keeps_it(processes: Callable[[], Process]) -> None:
    board = remembered(processes())
    board.known_hosts.write_text("[127.0.0.1]:2222 ssh-ed25519 AAAA\n")
    assert board.host_key == "ssh-ed25519 AAAA"
    told = board.document()
    assert (told["address"], told["clock"], told["port"], told["pid"]) == (ADDRESS, "wall", 2222, board.process.pid)


@pytest.fixture
def image(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "key").write_text("private")
    made = SimpleNamespace(client_key=tmp_path / "key", host_key="ssh-ed25519 AAAA")
    monkeypatch.setattr(standing, "board_image", lambda: made)


@pytest.mark.usefixtures("image")
def test_a_board_is_brought_up_once_and_its_key_is_its_owners_alone(
    monkeypatch: pytest.MonkeyPatch, processes: Callable[[], Process]
) -> None:
    boots = []

    def boot(image: object, machine: EmulatedMachine, console: Path, started: Callable[[Process, int], None]) -> None:
        boots.append(machine)
        started(processes(), 2345)

    monkeypatch.setattr(standing, "boot_detached", boot)
    board = bring_up(ADDRESS, MACHINE)
    assert bring_up(ADDRESS, MACHINE) == board
    assert boots == [MACHINE]
    assert board.host_key == "ssh-ed25519 AAAA"
    assert board.client_key.read_text() == "private"
    assert board.folder.stat().st_mode & 0o777 == 0o700
    bring_up(ADDRESS, BY_INSTRUCTIONS)
    assert len(boards_up()) == 2


@pytest.mark.usefixtures("image")
def test_what_an_earlier_starter_left_half_done_is_ended_first(
    monkeypatch: pytest.MonkeyPatch, processes: Callable[[], Process]
) -> None:
    left = remembered(processes(), ready=False)
    monkeypatch.setattr(standing, "boot_detached", lambda *given: given[-1](processes(), 2345))
    board = bring_up(ADDRESS, MACHINE)
    assert not left.process.lives()
    assert board.process != left.process


@pytest.mark.usefixtures("image")
def test_a_board_that_does_not_come_up_leaves_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*_: object) -> None:
        raise BoardError("no kernel")

    monkeypatch.setattr(standing, "boot_detached", fails)
    with pytest.raises(BoardError, match="no kernel"):
        bring_up(ADDRESS, MACHINE)
    assert not standing._folder(ADDRESS, MACHINE).exists()
    monkeypatch.setattr(standing, "boot_detached", lambda *given: given[-1](ENDED, 2345))
    with pytest.raises(BoardError, match="ended as soon as it was up"):
        bring_up(ADDRESS, MACHINE)
