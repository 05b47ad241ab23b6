"""This machine as a target.

In:  `local:`.
Out: a `Target` that copies files and runs programs here, below `EDGEWRIGHT_HOME` (default `~/.edgewright`).
"""

import errno
import os
import secrets
import shutil
import signal
import subprocess
from collections.abc import Sequence
from contextlib import suppress
from io import BytesIO
from pathlib import Path, PurePosixPath

from edgewright.base.places import home_dir
from edgewright.errors import CommandTimeoutError, DeviceFullError, InputError, TargetError, TransferError
from edgewright.targets.base import Completed, Target
from edgewright.targets.transports.conversation import (
    GET_LIMIT_BYTES,
    NOT_FOUND,
    Deadline,
    OnOutput,
    Output,
    Received,
    attend,
)


def open_address(address: str, *, instruction_clock: bool) -> Target:
    """This machine; the address has no further parts."""
    if address != "local:":
        raise InputError(f"{address!r} has more than this machine's address, which is local: alone")
    return LocalTarget()


class LocalTarget:
    """Runs what it is given on this machine, in a process group of its own."""

    def __init__(self, home: Path | None = None) -> None:
        chosen = home or Path(os.environ.get("EDGEWRIGHT_HOME") or home_dir() / ".edgewright")
        self._home = PurePosixPath(chosen.absolute())

    @property
    def address(self) -> str:
        """Always `local:`."""
        return "local:"

    @property
    def emulated(self) -> bool:
        """No: these are this machine's milliseconds."""
        return False

    @property
    def home(self) -> PurePosixPath:
        """Where Edgewright keeps what it pushes."""
        return self._home

    @property
    def lease_homes(self) -> tuple[PurePosixPath, ...]:
        """Its home: what `EDGEWRIGHT_HOME` names stands for a machine of its own."""
        return (self._home,)

    def put(self, source: Path | bytes, remote: PurePosixPath) -> None:
        """Copy a file to another place of this machine."""
        self._copy(source, Path(remote))

    def get(self, remote: PurePosixPath, local: Path, *, limit_bytes: int = GET_LIMIT_BYTES) -> None:
        """Copy a file from another place of this machine."""
        with suppress(OSError):  # which the copy tells
            Received(self.address, str(remote), lambda chunk: None, limit_bytes).expect(Path(remote).stat().st_size)
        self._copy(Path(remote), local)

    def run(
        self, argv: Sequence[str], *, timeout_s: float, stdin: str = "", on_output: OnOutput | None = None
    ) -> Completed:
        """Run a program; at the time limit its whole process group is killed."""
        try:
            process = subprocess.Popen(
                argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True
            )
        except (FileNotFoundError, PermissionError, NotADirectoryError) as error:
            return Completed(argv=tuple(argv), status=NOT_FOUND, stdout="", stderr=f"{argv[0]}: {error.strerror}\n")
        except (OSError, ValueError) as error:  # no memory for a process, a zero byte in an argument
            raise TargetError(f"{argv[0]!r} could not be started on local: ({error}); check its arguments") from error
        with process:
            out, err = Output(self.address, argv[0], on_output=on_output), Output(self.address, argv[0])
            try:
                attend(process, Deadline(timeout_s), BytesIO(stdin.encode()), out.add, err.add)
                return Completed(argv=tuple(argv), status=process.returncode, stdout=out.text(), stderr=err.text())
            except TimeoutError:
                _end(process)
                raise CommandTimeoutError(self.address, argv[0], timeout_s) from None
            except BaseException:  # it prints without end, or we are interrupted
                _end(process)
                raise

    def close(self) -> None:
        """Nothing is held."""

    def _copy(self, source: Path | bytes, destination: Path) -> None:
        partial = destination.with_name(f".{destination.name}.{secrets.token_hex(4)}.part")
        try:
            destination.parent.mkdir(parents=True, exist_ok=True)
            if isinstance(source, bytes):
                partial.write_bytes(source)
            else:
                shutil.copy(source, partial)
            os.replace(partial, destination)
        except OSError as error:
            with suppress(OSError):
                partial.unlink(missing_ok=True)
            if error.errno in (errno.ENOSPC, errno.EDQUOT):
                free = shutil.disk_usage(destination.parent).free
                size = len(source) if isinstance(source, bytes) else source.stat().st_size
                raise DeviceFullError(self.address, size / 1e6, free / 1e6) from error
            what = "what was to be sent" if isinstance(source, bytes) else source
            raise TransferError(f"{what} could not be copied to {destination} ({error.strerror or error})") from error
        except BaseException:
            partial.unlink(missing_ok=True)
            raise


def _end(process: subprocess.Popen[bytes]) -> None:
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
