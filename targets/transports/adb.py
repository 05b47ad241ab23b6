"""An Android device as a target, through Android's own `adb`.

In:  `adb://serial`, as `adb devices` lists it; `adb://host:port` for one in the network; `adb://` for the only one.
Out: a `Target` whose files lie below `/data/local/tmp`, the one place where a device without root runs programs.
Which devices there are is `adb_devices`' concern.
"""

import os
import secrets
import signal
import subprocess
from collections.abc import Callable, Sequence
from contextlib import suppress
from io import BytesIO
from pathlib import Path, PurePosixPath
from typing import BinaryIO

from edgewright.errors import (
    CommandTimeoutError,
    DeviceFullError,
    TargetError,
    TransferError,
    UnreachableError,
)
from edgewright.targets.base import Completed, Target
from edgewright.targets.transports import conversation
from edgewright.targets.transports.adb_devices import found_device
from edgewright.targets.transports.arriving import arriving
from edgewright.targets.transports.commands import completed, free_space, outgoing
from edgewright.targets.transports.conversation import (
    GET_LIMIT_BYTES,
    Deadline,
    OnOutput,
    Output,
    Received,
    Stall,
    attend,
    last_line,
)
from edgewright.targets.transports.launch import Leader, ended, launched

HOME = "/data/local/tmp/edgewright"
COPY_LIMIT_S = 24 * 3600.0  # a large file over a slow line; a dead one shows long before
STATUS_DIGITS = 10

# How adb ends is the same for a command's end and a device that was lost, so the former is marked behind its errors.
END_MARK = "@edgewright-end"
STATUS_SCRIPT = f'"$@"; status=$?; echo "{END_MARK} $status" >&2; exit $status'
# What arrived is counted before it gets its name; what a cut leaves behind is removed there.
PUT_SCRIPT = """
mkdir -p "${1%/*}" || exit 1
if cat >"$1" && [ "$(wc -c <"$1")" -eq "$3" ] && chmod "$4" "$1" && mv -f "$1" "$2"; then
    exit 0
fi
rm -f "$1"
exit 1
"""


def open_address(address: str, *, instruction_clock: bool) -> Target:
    """Find the device that an `adb://` address names."""
    return AdbTarget(*found_device(address))


class AdbTarget:
    """A device that adb lets us use."""

    def __init__(self, adb: str, serial: str) -> None:
        self._adb, self._serial = adb, serial

    @property
    def address(self) -> str:
        """`adb://` and the serial number."""
        return f"adb://{self._serial}"

    @property
    def emulated(self) -> bool:
        """No: whatever answers there is taken for a real device."""
        return False

    @property
    def home(self) -> PurePosixPath:
        """Below `/data/local/tmp`, where files may be executed."""
        return PurePosixPath(HOME)

    @property
    def lease_homes(self) -> tuple[PurePosixPath, ...]:
        """Its home, which no address moves."""
        return (self.home,)

    def put(self, source: Path | bytes, remote: PurePosixPath) -> None:
        """Copy a file there under a passing name, then rename it."""
        partial = remote.with_name(f".{remote.name}.{secrets.token_hex(4)}.part")
        try:
            with outgoing(source) as (content, size, mode):
                self._put(content, size, mode, partial, remote)
        except OSError as error:
            what = "what was to be sent" if isinstance(source, bytes) else str(source)
            raise TransferError(f"{what} cannot be read ({error.strerror}); check the file") from error

    def get(self, remote: PurePosixPath, local: Path, *, limit_bytes: int = GET_LIMIT_BYTES) -> None:
        """Copy a file here under a passing name, then rename it."""
        with arriving(local) as sink:
            received = Received(self.address, str(remote), sink.write, limit_bytes)
            status, err = self._exec(["cat", str(remote)], COPY_LIMIT_S, BytesIO(), received.add, copies=True)
            if status != 0:
                reason = last_line(err) or f"status {status}"
                raise TransferError(
                    f"{self.address}: {remote} could not be copied to {local} ({reason}); "
                    "check the device and run this again"
                )

    def run(
        self, argv: Sequence[str], *, timeout_s: float, stdin: str = "", on_output: OnOutput | None = None
    ) -> Completed:
        """Run a program there, as `commands.completed` says."""
        return completed(self._exec, self.address, argv, timeout_s=timeout_s, stdin=stdin, on_output=on_output)

    def close(self) -> None:
        """Nothing is held: adb's own server keeps the connection."""

    def _put(self, content: BinaryIO, size: int, mode: int, partial: PurePosixPath, remote: PurePosixPath) -> None:
        words = [str(partial), str(remote), str(size), f"{mode:o}"]
        argv = ["sh", "-c", PUT_SCRIPT, "sh", *words]
        status, err = self._exec(argv, COPY_LIMIT_S, content, lambda chunk: None, copies=True)
        if status == 0:
            return
        free = free_space(self, remote.parent)
        if "No space left" in err or (free is not None and free < size):
            raise DeviceFullError(self.address, size / 1e6, (free or 0) / 1e6)
        raise TransferError(
            f"{self.address}: {remote} could not be written ({last_line(err) or 'not all of it arrived'}); "
            "check the device and run this again"
        )

    def _exec(
        self,
        argv: Sequence[str],
        timeout_s: float,
        source: BinaryIO,
        sink: Callable[[bytes], object],
        *,
        copies: bool = False,
    ) -> tuple[int, str]:
        """Run a program; what it prints goes to `sink` as it arrives. Returns its status and standard error."""
        leader, err = Leader(self.address, argv[0], sink), Output(self.address, argv[0])
        deadline = Deadline(timeout_s)
        process = self._shell(launched("sh", "-c", STATUS_SCRIPT, "sh", *argv))
        stall = Stall(conversation.STALL_LIMIT_S)
        with process:
            try:
                attend(
                    process,
                    deadline,
                    source,
                    leader.add,
                    err.add,
                    stall=stall,
                    copies=copies,
                )
            except BaseException as error:  # the limit, endless output, or an interruption: nothing stays behind
                _end(process)
                self._kill(leader.pid)
                if not isinstance(error, TimeoutError):
                    raise
                if deadline.passed():
                    raise CommandTimeoutError(self.address, argv[0], timeout_s) from None
                raise self._lost(str(error)) from None
        printed, mark, end = err.text().rpartition(f"{END_MARK} ")
        status, _, after = end.partition("\n")
        if not mark or not (status.isdecimal() and len(status) <= STATUS_DIGITS):
            raise self._lost(last_line(end))
        leader.check(int(status), printed)
        return ended(int(status)), printed + after

    def _shell(self, line: str) -> subprocess.Popen[bytes]:
        command = [self._adb, "-s", self._serial, "shell", "-T", "-e", "none", line]
        try:
            return subprocess.Popen(
                command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True
            )
        except (OSError, ValueError) as error:  # no memory for a process, a zero byte in an argument
            raise TargetError(f"{self._adb} could not be started ({error}); check the command's arguments") from error

    def _kill(self, leader: int | None) -> None:
        if leader is None:
            return
        with suppress(Exception):  # this is the second fault; the first one is what is reported
            killing = self._shell(f"kill -KILL -{leader}")
            try:
                killing.communicate(timeout=5.0)
            finally:
                _end(killing)

    def _lost(self, reason: str) -> UnreachableError:
        return UnreachableError(
            f"{self.address}: the connection was lost ({reason or 'adb ended'}); "
            "look at `adb devices` and run this again"
        )


def _end(process: subprocess.Popen[bytes]) -> None:
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
