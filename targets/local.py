"""This machine as a target.

In:  `local:`.
Out: a `Target` that copies files and runs programs here, below `EDGEWRIGHT_HOME` (default `~/.edgewright`).
"""

import errno
import os
import secrets
import selectors
import shutil
import signal
import subprocess
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path, PurePosixPath

from targets.base import Completed, Target
from targets.conversation import NOT_FOUND, Deadline, Output
from toolchain.errors import CommandTimeoutError, DeviceFullError, InputError, TargetError, TransferError

CHUNK_BYTES = 1 << 16
WAKES_EVERY_S = 1.0  # so that a thread that waits for a silent program can be interrupted


def open_address(address: str, *, instruction_clock: bool) -> Target:
    """This machine; the address has no further parts."""
    if address != "local:":
        raise InputError(f"{address!r} has more than this machine's address, which is local: alone")
    return LocalTarget()


class LocalTarget:
    """Runs what it is given on this machine, in a process group of its own."""

    def __init__(self, home: Path | None = None) -> None:
        chosen = home or Path(os.environ.get("EDGEWRIGHT_HOME") or Path.home() / ".edgewright")
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

    def put(self, source: Path | bytes, remote: PurePosixPath) -> None:
        """Copy a file to another place of this machine."""
        self._copy(source, Path(remote))

    def get(self, remote: PurePosixPath, local: Path) -> None:
        """Copy a file from another place of this machine."""
        self._copy(Path(remote), local)

    def run(self, argv: Sequence[str], *, timeout_s: float, stdin: str = "") -> Completed:
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
            try:
                return _attend(process, tuple(argv), timeout_s, stdin.encode())
            except BaseException:  # its time is up, it prints without end, or we are interrupted
                with suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)
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


def _attend(process: subprocess.Popen[bytes], argv: tuple[str, ...], timeout_s: float, stdin: bytes) -> Completed:
    """Feed a process, read what it prints within bounds, and wait for it."""
    out, err = Output("local:", argv[0]), Output("local:", argv[0])
    deadline = Deadline(timeout_s)
    assert process.stdin is not None
    assert process.stdout is not None
    assert process.stderr is not None
    with selectors.DefaultSelector() as ready:
        ready.register(process.stdout, selectors.EVENT_READ, out)
        ready.register(process.stderr, selectors.EVENT_READ, err)
        os.set_blocking(process.stdin.fileno(), False)
        ready.register(process.stdin, selectors.EVENT_WRITE)
        while ready.get_map():
            for key, _ in ready.select(min(deadline.left_s(), WAKES_EVERY_S)):
                if isinstance(key.data, Output):
                    chunk = os.read(key.fd, CHUNK_BYTES)
                    key.data.add(chunk)
                    more = bool(chunk)
                else:
                    stdin = _write_some(key.fd, stdin)
                    more = bool(stdin)
                if not more:
                    ready.unregister(key.fileobj)
                    if key.data is None:
                        process.stdin.close()
            if deadline.passed():
                raise CommandTimeoutError("local:", argv[0], timeout_s)
    try:
        process.wait(deadline.left_s())
    except subprocess.TimeoutExpired:
        raise CommandTimeoutError("local:", argv[0], timeout_s) from None
    return Completed(argv=argv, status=process.returncode, stdout=out.text(), stderr=err.text())


def _write_some(fd: int, text: bytes) -> bytes:
    """Write what the pipe takes; what is left to write, nothing when the reader has gone."""
    try:
        return text[os.write(fd, text[:CHUNK_BYTES]) :] if text else b""
    except BrokenPipeError:
        return b""
