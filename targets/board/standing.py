"""Emulated boards that were brought up on purpose and stay up: started, remembered, found again, stopped.

In:  an address, `emulated://<profile>`, and the machine it stands for.
Out: `StandingBoard`s. Each has a folder in the state directory: how to log in, its console, and which process it is.
A board that nobody brought up is `board_process`'s, and gone with the process that started it.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import time
from dataclasses import asdict, dataclass
from pathlib import Path

from edgewright.base.once import written_whole
from edgewright.base.places import state_dir
from edgewright.errors import BoardError, InputError
from edgewright.targets.board.disk_image import board_image
from edgewright.targets.board.qemu import EmulatedMachine, boot_detached
from edgewright.targets.process_ids import Process

RECORD, READY = "board.json", "ready"


@dataclass(frozen=True, kw_only=True)
class StandingBoard:
    """A board that is up. Its folder goes when it is stopped."""

    address: str
    machine: EmulatedMachine
    process: Process
    port: int
    since: float  # seconds of this machine's clock
    folder: Path

    @property
    def client_key(self) -> Path:
        """The key that lets us in."""
        return self.folder / "client_key"

    @property
    def known_hosts(self) -> Path:
        """The board's host key, as OpenSSH keeps such."""
        return self.folder / "known_hosts"

    @property
    def host_key(self) -> str:
        """The board's host key, as a .pub file has it."""
        return self.known_hosts.read_text().partition(" ")[2].strip()

    @property
    def console(self) -> Path:
        """What the board has said on its serial console."""
        return self.folder / "console.log"

    @property
    def ready(self) -> bool:
        """Whether it accepts logins; until then it is starting."""
        return (self.folder / READY).exists()

    @property
    def clock(self) -> str:
        """`instructions` or `wall`."""
        return "instructions" if self.machine.instruction_clock else "wall"

    def stop(self) -> None:
        """End the board, never another process, and forget it."""
        self.process.kill()
        shutil.rmtree(self.folder, ignore_errors=True)

    def document(self) -> dict[str, object]:
        """As `edgewright target list --json` prints it."""
        about = {"address": self.address, "clock": self.clock, "port": self.port, "pid": self.process.pid}
        return {**about, "up_s": round(time.time() - self.since), "console": str(self.console)}


def bring_up(address: str, machine: EmulatedMachine) -> StandingBoard:
    """Start the board, or find it where it is up already with the same machine and clock; raises as `boot` does."""
    from filelock import FileLock

    folder = _folder(address, machine)
    with FileLock(folder.with_name(f"{folder.name}.lock")):
        before = _recalled(folder / RECORD)
        if before is not None and before.ready and before.process.lives():
            return before
        if before is not None:
            before.stop()  # whoever was starting it was killed before it was ready
        image = board_image()
        folder.mkdir(mode=0o700, exist_ok=True)
        shutil.copy(image.client_key, folder / "client_key")  # the image may be made anew while the board is up

        def started(process: Process, port: int) -> None:
            (folder / "known_hosts").write_text(f"[127.0.0.1]:{port} {image.host_key}\n")
            board = StandingBoard(
                address=address, machine=machine, process=process, port=port, since=time.time(), folder=folder
            )
            _remember(board)

        try:
            boot_detached(image, machine, folder / "console.log", started)
        except BaseException:
            shutil.rmtree(folder, ignore_errors=True)
            raise
        (folder / READY).touch()
        board = find_up(address, machine)
        if board is None:
            raise BoardError(
                f"{address} ended as soon as it was up; bring it up again, and look at the memory left here"
            )
        return board


def boards_up() -> tuple[StandingBoard, ...]:
    """Every board that is up or starting, the latest at the end."""
    recalled = (_recalled(record) for record in _boards().glob(f"*/{RECORD}"))
    return tuple(
        sorted((board for board in recalled if board and board.process.lives()), key=lambda board: board.since)
    )


def find_up(address: str, machine: EmulatedMachine) -> StandingBoard | None:
    """The board of this address, if it is up with just this machine and clock."""
    board = _recalled(_folder(address, machine) / RECORD)
    return board if board is not None and board.ready and board.process.lives() else None


def boards_at(address: str) -> tuple[StandingBoard, ...]:
    """The boards of an address that are up, by whichever clock. Raises `InputError` where none is."""
    boards = tuple(board for board in boards_up() if board.address == address)
    if not boards:
        raise InputError(f"{address} is not up; bring it up with `edgewright target up {address}`")
    return boards


def _boards() -> Path:
    return state_dir("boards")


def _folder(address: str, machine: EmulatedMachine) -> Path:
    described = json.dumps([address, asdict(machine)])
    return _boards() / hashlib.sha256(described.encode()).hexdigest()[:16]


def _remember(board: StandingBoard) -> None:
    record = {
        "address": board.address,
        "machine": asdict(board.machine),
        "process": asdict(board.process),
        "port": board.port,
        "since": board.since,
    }
    with written_whole(board.folder / RECORD) as unfinished:
        unfinished.write_text(json.dumps(record), encoding="utf-8")


def _recalled(record: Path) -> StandingBoard | None:
    try:
        document = json.loads(record.read_text(encoding="utf-8"))
        return StandingBoard(
            address=document["address"],
            machine=EmulatedMachine(**document["machine"]),
            process=Process(**document["process"]),
            port=document["port"],
            since=document["since"],
            folder=record.parent,
        )
    except (OSError, ValueError, TypeError, KeyError):  # removed meanwhile, or written by another version
        return None
