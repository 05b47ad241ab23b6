"""What a target is: a machine that takes files and runs commands, and holds no policy of its own.

In:  paths and argument lists.
Out: `Completed` commands, and files moved whole or not at all.
What is pushed, in which order and whether it is already there is `push`'s concern; what is measured is `measure`'s.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Protocol

from edgewright.targets.transports.conversation import GET_LIMIT_BYTES, OnOutput


def or_another_folder(address: str) -> str:
    """What else to do where a home directory is read-only, full, or takes no programs: the end of a sentence."""
    if not address.startswith("ssh:"):
        return ""
    return ", or name another folder of the device: ssh://…?folder=/PATH, or `folder` in targets.toml"


@dataclass(frozen=True, kw_only=True)
class Completed:
    """A command that ended by itself. A signal shows as the negative of its number."""

    argv: tuple[str, ...]
    status: int
    stdout: str
    stderr: str


class Target(Protocol):
    """A machine that takes files and runs commands.

    Every method raises a `TargetError`: `UnreachableError` when the connection is lost, `TransferError` when a file
    did not arrive whole, `CommandTimeoutError` when a command was ended for its time limit.
    """

    @property
    def address(self) -> str:
        """What the user typed to reach this machine, without any secret."""

    @property
    def emulated(self) -> bool:
        """Whether its processor is emulated, so that its clock is not a device's."""

    @property
    def home(self) -> PurePosixPath:
        """The directory Edgewright may write to; everything it leaves on the machine lies below it, but a lease."""

    @property
    def lease_homes(self) -> tuple[PurePosixPath, ...]:
        """Where a lease of the machine may lie, the best place first: the same whatever `home` a user names."""

    def put(self, source: Path | bytes, remote: PurePosixPath) -> None:
        """Copy one file, or a file's content, there, making its directory; it appears only once it is whole."""

    def get(self, remote: PurePosixPath, local: Path, *, limit_bytes: int = GET_LIMIT_BYTES) -> None:
        """Copy one file of at most so many bytes here; it appears under its name only once it is whole."""

    def run(
        self, argv: Sequence[str], *, timeout_s: float, stdin: str = "", on_output: OnOutput | None = None
    ) -> Completed:
        """Run a program with these exact arguments (no shell reads them) and wait for it to end.

        `on_output` hears what it prints as it arrives; what that raises ends the program, and all that it started.
        """

    def close(self) -> None:
        """Let go of the machine; what was started for this target is stopped. Safe to call twice."""
