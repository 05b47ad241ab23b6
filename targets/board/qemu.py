"""Run one emulated board: a QEMU that is ours alone and never outlives us, unless it is asked to.

In:  a `BoardImage`, and a `EmulatedMachine`: the core to emulate, memory and number of cores.
Out: `BoardProcess`: a running machine whose SSH port on the loopback interface accepts logins; or, of one that goes on
     without us, its process and port, which are `board_state`'s to remember.
Logging in is `ssh`'s concern; which board has which core is the profile's.
"""

import os
import shutil
import socket
import subprocess
import tempfile
import time
import weakref
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import IO, TypeVar

from edgewright.errors import BoardError, EnvironmentFaultError, InputError
from edgewright.targets.board import packages as board_recipe
from edgewright.targets.board.disk_image import BoardImage
from edgewright.targets.process_ids import ENDED, Process

BOOT_LIMIT_S = 120.0
PORT_ATTEMPTS = 5

# The board's keeper: standard input is a pipe whose other end we hold. At a line, or when it closes (the end of our
# process, even by SIGKILL), the board is killed. PR_SET_PDEATHSIG would act at the end of the starting *thread*.
KEEPER = """
exec 3<&0
"$@" </dev/null 3<&- &
board=$!
{ read -r _ <&3; kill -KILL $board; } &
watch=$!
wait $board
status=$?
kill $watch 2>/dev/null
exit $status
"""

# A board that goes on without us is nobody's child once this shell has ended.
DETACH = '"$@" </dev/null >"$0" 2>&1 & echo $!'

Started = TypeVar("Started")


class BoardProcess:
    """A running board, ready for logins on `port`; `close` ends it, and so does the end of this process."""

    def __init__(self, port: int, stop: Callable[[], object]) -> None:
        self.port = port
        self._stop = weakref.finalize(self, stop)  # also runs when the interpreter ends

    def close(self) -> None:
        """Stop the machine; safe to call twice."""
        self._stop()


@dataclass(frozen=True, kw_only=True)
class EmulatedMachine:
    """What is emulated. By the instruction clock its time advances 2 ns an instruction, on one core, whatever the host
    is doing.
    """

    cpu: str
    ram_mb: int
    cpus: int
    instruction_clock: bool = False

    def options(self) -> list[str]:
        """QEMU's words for it."""
        clock = ["-smp", "1", "-icount", "shift=1"] if self.instruction_clock else ["-smp", str(self.cpus)]
        return ["-cpu", self.cpu, "-m", str(self.ram_mb), *clock]


def boot(image: BoardImage, machine: EmulatedMachine) -> BoardProcess:
    """Start a board and wait until it accepts logins (about 3 s).

    Raises `BoardError` with the machine's last words when it does not come up.
    """
    return _on_a_free_port(machine, partial(_boot_once, image, machine))


def boot_detached(
    image: BoardImage, machine: EmulatedMachine, console: Path, started: Callable[[Process, int], None]
) -> None:
    """Start a board that goes on without us and writes its console to that file; return once it accepts logins.

    `started` hears of its process and its port as soon as there is one, so that it can be found and ended whatever
    becomes of us. Raises as `boot` does; then, or when we are interrupted, nothing goes on.
    """
    _on_a_free_port(machine, partial(_boot_detached_once, image, machine, console, started))


def _on_a_free_port(machine: EmulatedMachine, start: Callable[[int], Started]) -> Started:
    if machine.cpu.split(",")[0] == "max":
        raise InputError("-cpu max emulates no real board and computes some models wrongly; name a core, as cortex-a72")
    if shutil.which("qemu-system-aarch64") is None:
        raise EnvironmentFaultError(
            "qemu-system-aarch64", "run an emulated board", "run `sudo apt-get install qemu-system-arm`, or `make`"
        )
    for _ in range(PORT_ATTEMPTS):
        try:
            return start(_free_port())
        except BoardError as error:
            if "host forwarding" not in str(error):  # another program took the port meanwhile
                raise
    raise BoardError("no free port was found on this machine for an emulated board; stop other boards and try again")


def _boot_once(image: BoardImage, machine: EmulatedMachine, port: int) -> BoardProcess:
    with tempfile.TemporaryFile(mode="w+", errors="replace", prefix="edgewright-board-") as words:
        keeper = _start(image, machine, port, words)
        board = BoardProcess(port, partial(_stop, keeper, os.getpid()))
        try:
            _wait_until_ready(lambda: keeper.poll() is not None, words)
        except BaseException:
            board.close()
            raise
        return board


def _boot_detached_once(
    image: BoardImage, machine: EmulatedMachine, console: Path, started: Callable[[Process, int], None], port: int
) -> None:
    done = subprocess.run(
        ["sh", "-c", DETACH, str(console), *_command(image, machine, port)],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        start_new_session=True,  # a session without a terminal, whose end would reach the board
        check=True,
    )
    process = Process.of(int(done.stdout)) or ENDED
    try:
        started(process, port)
        with console.open(errors="replace") as words:
            _wait_until_ready(lambda: not process.lives(), words)
    except BaseException:
        process.kill()
        raise


def _command(image: BoardImage, machine: EmulatedMachine, port: int) -> list[str]:
    return [
        *("qemu-system-aarch64", "-machine", "virt", *machine.options(), "-display", "none", "-monitor", "none"),
        *("-chardev", "stdio,id=console,signal=off", "-serial", "chardev:console", "-no-reboot"),
        *("-kernel", str(image.kernel), "-initrd", str(image.first_disk), "-append", board_recipe.KERNEL_LINE),
        *("-drive", f"file={_escaped(image.disk)},if=none,id=disk,format=raw", "-snapshot"),
        *("-device", "virtio-blk-pci,drive=disk", "-device", "virtio-rng-pci"),
        *("-netdev", f"user,id=net,restrict=on,hostfwd=tcp:127.0.0.1:{port}-:22"),
        *("-device", "virtio-net-pci,netdev=net,romfile="),
    ]


def _start(image: BoardImage, machine: EmulatedMachine, port: int, words: IO[str]) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        ["sh", "-c", KEEPER, "edgewright-board", *_command(image, machine, port)],
        stdin=subprocess.PIPE,
        stdout=words.fileno(),
        stderr=words.fileno(),
        start_new_session=True,  # Ctrl-C at the terminal is for us; the board ends when we let go of it
    )


def _escaped(path: os.PathLike[str]) -> str:
    return os.fspath(path).replace(",", ",,")


def _stop(keeper: subprocess.Popen[bytes], owner: int) -> None:
    if os.getpid() != owner or keeper.stdin is None:  # a forked copy of us ends; the board is not its own
        return
    with suppress(BrokenPipeError):
        keeper.stdin.write(b"end\n")  # not only closed: a forked copy of us may hold the pipe open
        keeper.stdin.close()
    keeper.wait()


def _wait_until_ready(has_ended: Callable[[], bool], words: IO[str]) -> None:
    deadline = time.monotonic() + BOOT_LIMIT_S
    while True:
        ended = has_ended()
        printed = os.pread(words.fileno(), 1 << 20, 0).decode(errors="replace")
        if board_recipe.READY in printed:
            return
        if ended or time.monotonic() > deadline:
            lines = [line.strip() for line in printed.splitlines() if line.strip()]
            what = "stopped while starting" if ended else f"was not ready after {BOOT_LIMIT_S:g} s"
            raise BoardError(
                f"the emulated board {what}; its last words: {lines[-1] if lines else 'none'}; "
                "check the profile's [emulation] table and the memory left on this machine"
            )
        time.sleep(0.02)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
