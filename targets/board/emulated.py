"""An emulated ARM board as a target: a whole ARM64 Linux under QEMU, reached by SSH like any other machine.

In:  `emulated://<profile>`; the profile says which core, how much memory and how many cores.
Out: a `Target`. One that was brought up before, with the same clock, is used and stays up; else a board boots in about
     3 s, starts from a clean disk, and is gone when closed.
It proves that an artifact runs, fits and is right there. Its milliseconds are no board's.
"""

from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path, PurePosixPath

from edgewright.errors import InputError
from edgewright.targets.base import Completed, Target
from edgewright.targets.board.disk_image import board_image
from edgewright.targets.board.qemu import EmulatedMachine, boot
from edgewright.targets.board.standing import StandingBoard, find_up
from edgewright.targets.transports.conversation import GET_LIMIT_BYTES, OnOutput
from edgewright.targets.transports.ssh import SshTarget
from edgewright.targets.transports.ssh_address import Login


def open_address(address: str, *, instruction_clock: bool) -> Target:
    """Find or boot the board that `emulated://<profile>` names."""
    machine = machine_of(address, instruction_clock=instruction_clock)
    if up := find_up(address, machine):
        return EmulatedTarget(login_of(up), stop=lambda: None)
    image = board_image()
    board = boot(image, machine)
    login = _login(address, port=board.port, client_key=image.client_key, host_key=image.host_key)
    return EmulatedTarget(login, stop=board.close)


def machine_of(address: str, *, instruction_clock: bool) -> EmulatedMachine:
    """What an address stands for. Raises `InputError` for one that names no profile, or none that can be emulated."""
    from edgewright.specs.profiles import load_profile

    scheme, _, name = address.partition("://")
    if scheme != "emulated" or not name:
        raise InputError(f"{address!r} names no profile; write it as emulated://raspberry-pi-4")
    emulation = load_profile(name).emulation
    if emulation is None:
        raise InputError(
            f"the profile {name} says nothing about emulation; add an [emulation] table with cpu, ram_mb and cpus "
            "to it, or reach the device itself with ssh://"
        )
    return EmulatedMachine(
        cpu=emulation.cpu, ram_mb=emulation.ram_mb, cpus=emulation.cpus, instruction_clock=instruction_clock
    )


def login_of(board: StandingBoard) -> Login:
    """How to log into a board that is up."""
    return _login(board.address, port=board.port, client_key=board.client_key, host_key=board.host_key)


def _login(address: str, *, port: int, client_key: Path, host_key: str) -> Login:
    return Login(
        address=address,
        host="127.0.0.1",
        port=port,
        user="root",
        identities=(client_key,),
        others=False,
        pinned_host_key=host_key,
    )


class EmulatedTarget:
    """A board we are logged into; closing it also stops a board that is this target's alone."""

    def __init__(self, login: Login, *, stop: Callable[[], object]) -> None:
        self._stop = stop
        self._address = login.address
        try:
            self._ssh = SshTarget(login)
        except BaseException:
            stop()
            raise

    @property
    def address(self) -> str:
        """`emulated://` and the profile's name."""
        return self._address

    @property
    def emulated(self) -> bool:
        """Yes: whatever is timed here is not a device's time."""
        return True

    @property
    def home(self) -> PurePosixPath:
        """On the board's own disk, which is new at each start."""
        return self._ssh.home

    @property
    def lease_homes(self) -> tuple[PurePosixPath, ...]:
        """On the board's own disk, too."""
        return self._ssh.lease_homes

    def put(self, source: Path | bytes, remote: PurePosixPath) -> None:
        """Copy a file to the board."""
        self._ssh.put(source, remote)

    def get(self, remote: PurePosixPath, local: Path, *, limit_bytes: int = GET_LIMIT_BYTES) -> None:
        """Copy a file from the board."""
        self._ssh.get(remote, local, limit_bytes=limit_bytes)

    def run(
        self, argv: Sequence[str], *, timeout_s: float, stdin: str = "", on_output: OnOutput | None = None
    ) -> Completed:
        """Run a program on the board."""
        return self._ssh.run(argv, timeout_s=timeout_s, stdin=stdin, on_output=on_output)

    def close(self) -> None:
        """Log out; the changes of a board that stops with it are forgotten."""
        with suppress(Exception):
            self._ssh.close()
        self._stop()
