"""An emulated ARM board as a target: a whole ARM64 Linux under QEMU, reached by SSH like any other machine.

In:  `emulated://<profile>`; the profile says which core, how much memory and how many cores.
Out: a `Target` that boots in about 3 s, starts from the same clean disk each time and is gone when closed.
It proves that an artifact runs, fits and is right there. Its milliseconds are no board's.
"""

from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path, PurePosixPath

from targets.base import Completed, Target
from targets.board_image import board_image
from targets.board_process import boot
from targets.ssh import SshTarget
from targets.ssh_login import Login
from toolchain.errors import InputError


def open_address(address: str, *, instruction_clock: bool) -> Target:
    """Boot the board that `emulated://<profile>` names."""
    from toolchain.profiles import load_profile

    scheme, _, name = address.partition("://")
    if scheme != "emulated" or not name:
        raise InputError(f"{address!r} names no profile; write it as emulated://raspberry-pi-4")
    emulation = load_profile(name).emulation
    if emulation is None:
        raise InputError(
            f"the profile {name} says nothing about emulation; add an [emulation] table with cpu, ram_mb and cpus "
            "to it, or reach the device itself with ssh://"
        )
    return EmulatedTarget(
        address,
        cpu=emulation.cpu,
        ram_mb=emulation.ram_mb,
        cpus=emulation.cpus,
        instruction_clock=instruction_clock,
    )


class EmulatedTarget:
    """A board of its own for each target; closing it, or the end of this process, stops it."""

    def __init__(self, address: str, *, cpu: str, ram_mb: int, cpus: int, instruction_clock: bool = False) -> None:
        image = board_image()
        self._address = address
        self._board = boot(image, cpu=cpu, ram_mb=ram_mb, cpus=cpus, instruction_clock=instruction_clock)
        try:
            self._ssh = SshTarget(
                Login(
                    address=address,
                    host="127.0.0.1",
                    port=self._board.port,
                    user="root",
                    identities=(image.client_key,),
                    others=False,
                    pinned_host_key=image.host_key,
                )
            )
        except BaseException:
            self._board.close()
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

    def put(self, local: Path, remote: PurePosixPath) -> None:
        """Copy a file to the board."""
        self._ssh.put(local, remote)

    def get(self, remote: PurePosixPath, local: Path) -> None:
        """Copy a file from the board."""
        self._ssh.get(remote, local)

    def run(self, argv: Sequence[str], *, timeout_s: float, stdin: str = "") -> Completed:
        """Run a program on the board."""
        return self._ssh.run(argv, timeout_s=timeout_s, stdin=stdin)

    def close(self) -> None:
        """Stop the board; its disk's changes are forgotten."""
        with suppress(Exception):
            self._ssh.close()
        self._board.close()
