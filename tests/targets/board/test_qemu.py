"""One emulated board: which words QEMU gets, and what is told where none starts. `tests/emulated` boots them."""

import sys
from pathlib import Path

import pytest

from edgewright.errors import BoardError, EnvironmentFaultError, InputError
from edgewright.targets.board import qemu
from edgewright.targets.board.disk_image import BoardImage
from edgewright.targets.board.qemu import BoardProcess, EmulatedMachine, boot


@pytest.fixture
def image(tmp_path: Path) -> BoardImage:
    folder = tmp_path / "a,b"
    folder.mkdir()
    files = {name: folder / name for name in ("kernel", "first_disk", "disk", "client_key")}
    for file in files.values():
        file.write_text("")
    return BoardImage(host_key="ssh-ed25519 AAAA", **files)


def machine(**changes: object) -> EmulatedMachine:
    return EmulatedMachine(**{"cpu": "cortex-a72", "ram_mb": 1024, "cpus": 4, **changes})  # type: ignore[arg-type]


@pytest.fixture
def stand_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A program that is started in QEMU's place."""
    program = tmp_path / "bin" / "qemu-system-aarch64"
    program.parent.mkdir()
    monkeypatch.setenv("PATH", f"{program.parent}:/usr/bin:/bin")
    return program


def write(program: Path, script: str) -> None:
    program.write_text(f"#!{sys.executable}\n{script}\n")
    program.chmod(0o755)


def test_by_the_instruction_clock_there_is_one_core_and_two_nanoseconds_an_instruction() -> None:
    assert machine().options() == ["-cpu", "cortex-a72", "-m", "1024", "-smp", "4"]
    counted = machine(instruction_clock=True).options()
    assert counted[counted.index("-smp") + 1] == "1"
    assert counted[counted.index("-icount") + 1] == "shift=1"


def test_a_board_reaches_nothing_but_its_own_port_on_this_machine(image: BoardImage) -> None:
    words = qemu._command(image, machine(), 2222)
    assert "user,id=net,restrict=on,hostfwd=tcp:127.0.0.1:2222-:22" in words
    assert "-snapshot" in words
    assert f"file={str(image.disk).replace(',', ',,')},if=none,id=disk,format=raw" in words


def test_a_core_that_is_none_of_a_board_is_refused(image: BoardImage) -> None:
    with pytest.raises(InputError, match="-cpu max emulates no real board"):
        boot(image, machine(cpu="max,sve=off"))


def test_without_qemu_it_is_said_how_to_get_it(
    image: BoardImage, stand_in: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(stand_in.parent))
    with pytest.raises(EnvironmentFaultError, match="apt-get install qemu-system-arm"):
        boot(image, machine())


def test_a_board_that_stops_while_starting_is_reported_with_its_last_words(image: BoardImage, stand_in: Path) -> None:
    write(stand_in, "print('one\\n\\nKernel panic\\n')")
    with pytest.raises(BoardError, match="stopped while starting; its last words: Kernel panic; check the profile's"):
        boot(image, machine())
    write(stand_in, "")
    with pytest.raises(BoardError, match="its last words: none"):
        boot(image, machine())


def test_a_port_that_another_took_is_not_the_end(image: BoardImage, stand_in: Path, tmp_path: Path) -> None:
    tried = tmp_path / "tried"
    write(stand_in, f"open({str(tried)!r}, 'a').write('x'); print('could not set up host forwarding rule')")
    with pytest.raises(BoardError, match="no free port was found"):
        boot(image, machine())
    assert len(tried.read_text()) == qemu.PORT_ATTEMPTS


def test_a_board_that_never_gets_ready_is_given_up(
    image: BoardImage, stand_in: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(qemu, "BOOT_LIMIT_S", 0.5)
    write(stand_in, "import time; print('booting', flush=True); time.sleep(60)")
    with pytest.raises(BoardError, match=r"was not ready after 0\.5 s; its last words: booting"):
        boot(image, machine())


def test_a_board_that_is_ready_has_a_port_and_is_ended_once(image: BoardImage, stand_in: Path) -> None:
    write(stand_in, f"import time; print({qemu.board_recipe.READY!r}, flush=True); time.sleep(60)")
    board = boot(image, machine())
    assert 1024 < board.port < 65536
    board.close()
    board.close()


def test_closing_stops_it_once() -> None:
    stopped: list[int] = []
    board = BoardProcess(22, lambda: stopped.append(1))
    board.close()
    board.close()
    assert stopped == [1]
