"""An Android device as a target, through Android's own `adb`.

In:  `adb://serial`, as `adb devices` lists it; `adb://host:port` for one in the network; `adb://` for the only one.
Out: a `Target` whose files lie below `/data/local/tmp`, the one place where a device without root runs programs.
Which devices there are, and which computers a device trusts, is `adb`'s concern; it lets no key of ours in by itself.
"""

import os
import secrets
import shutil
import signal
import subprocess
from collections.abc import Callable, Sequence
from contextlib import suppress
from io import BytesIO
from pathlib import Path, PurePosixPath
from typing import BinaryIO

from edgewright.errors import (
    AuthenticationError,
    CommandTimeoutError,
    DeviceFullError,
    EnvironmentFaultError,
    InputError,
    TargetError,
    TransferError,
    UnreachableError,
)
from edgewright.targets.base import Completed, Target
from edgewright.targets.device_store.space import FREE_SPACE_SCRIPT, free_bytes
from edgewright.targets.transports import conversation
from edgewright.targets.transports.arriving import arriving
from edgewright.targets.transports.conversation import (
    GET_LIMIT_BYTES,
    Deadline,
    Output,
    Received,
    Stall,
    attend,
    last_line,
)
from edgewright.targets.transports.launch import Leader, ended, launched

HOME = "/data/local/tmp/edgewright"
ASKING_LIMIT_S = 30.0
HOUSEKEEPING_LIMIT_S = 60.0
COPY_LIMIT_S = 24 * 3600.0  # a large file over a slow line; a dead one shows long before
STATUS_DIGITS = 10
SHELL_FEATURE = "shell_v2"  # tells a command's status, and its errors apart from its output

# How adb ends does not tell a command's end from a device that was lost, so the former is told behind its errors.
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

# What `adb devices` says of a device that is there and cannot be used, and what helps.
STATES = {
    "unauthorized": "does not trust this computer; unlock it and accept the key that it shows",
    "authorizing": "is still being asked whether it trusts this computer; unlock it and accept the key that it shows",
    "offline": "does not answer adb; unplug it and plug it in again, or run `adb reconnect offline`",
    "no permissions": "may not be used by this user; install Android's udev rules (Debian: android-sdk-platform-tools-"
    "common) and join the group plugdev",
    "bootloader": "is in its boot loader; start Android on it",
    "recovery": "is in recovery mode; start Android on it",
    "sideload": "is in recovery mode; start Android on it",
}


def open_address(address: str, *, instruction_clock: bool) -> Target:
    """Find the device that an `adb://` address names."""
    return AdbTarget(*found_device(address))


def found_device(address: str) -> tuple[str, str]:
    """The program `adb`, and the serial number of the device at this address, which can be used.

    Raises `InputError`, `EnvironmentFaultError` without adb, and what `found_serial` raises.
    """
    scheme, _, serial = address.partition("://")
    if scheme != "adb" or not address.startswith("adb://") or not _plausible(serial):
        raise InputError(
            f"{address!r} is no address of an Android device; write adb://SERIAL, as `adb devices` lists it"
        )
    adb = shutil.which("adb")
    if adb is None:
        raise EnvironmentFaultError(
            "adb", "reach an Android device", "install Android's platform tools (Debian: sudo apt-get install adb)"
        )
    return adb, found_serial(adb, serial)


def found_serial(adb: str, wanted: str) -> str:
    """The serial number of a device that can be used; with none wanted, of the only one there is.

    Raises `UnreachableError` or `AuthenticationError`, saying what adb sees instead.
    """
    states = read_devices(_asked(adb, "devices"))
    if ":" in wanted and states.get(wanted) in (None, "offline"):  # in the network: adb knows those it was told of
        if wanted in states:
            _asked(adb, "disconnect", wanted)
        said = _asked(adb, "connect", wanted).strip()
        states = read_devices(_asked(adb, "devices"))
        if states.get(wanted) in (None, "offline"):
            raise UnreachableError(
                f"adb://{wanted} did not answer ({last_line(said)}); check that the device is on, in this network, and "
                "that debugging over the network is switched on there"
            )
    listed = ", ".join(f"{serial} ({state})" for serial, state in states.items()) or "no device"
    if not wanted:
        if len(states) != 1:
            raise UnreachableError(
                f"adb:// needs exactly one device, and adb sees {listed}; "
                + ("name one, as adb://SERIAL" if states else "plug it in and switch on USB debugging there")
            )
        (wanted,) = states
    state = states.get(wanted)
    if state is None:
        raise UnreachableError(
            f"adb sees no device {wanted} but {listed}; plug it in, switch on USB debugging there, check the number"
        )
    if state != "device":
        kind = AuthenticationError if state in ("unauthorized", "authorizing") else UnreachableError
        raise kind(f"adb://{wanted} {STATES.get(state, f'is in the state {state!r}; start Android on it')}")
    if SHELL_FEATURE not in _asked(adb, "-s", wanted, "features").split():
        raise UnreachableError(f"adb://{wanted} runs an Android before 7, which tells no command's status; upgrade it")
    return wanted


def read_devices(printed: str) -> dict[str, str]:
    """The state of each device that `adb devices` lists, by its serial number."""
    lines = [line.split("\t", 1) for line in printed.splitlines() if "\t" in line and not line.startswith("*")]
    return {serial.strip(): _state(said.strip()) for serial, said in lines}


def _state(said: str) -> str:
    return "no permissions" if said.startswith("no permissions") else said.split()[0] if said else "unknown"


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

    def put(self, source: Path | bytes, remote: PurePosixPath) -> None:
        """Copy a file there under a passing name, then rename it."""
        partial = remote.with_name(f".{remote.name}.{secrets.token_hex(4)}.part")
        if isinstance(source, bytes):
            self._put(BytesIO(source), len(source), 0o644, partial, remote)
            return
        try:
            with source.open("rb") as content:
                mode = 0o755 if os.access(source, os.X_OK) else 0o644
                self._put(content, source.stat().st_size, mode, partial, remote)
        except OSError as error:
            raise TransferError(f"{source} cannot be read ({error.strerror}); check the file") from error

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

    def run(self, argv: Sequence[str], *, timeout_s: float, stdin: str = "") -> Completed:
        """Run a program there; at the time limit its whole process group is killed.

        A shell stands in between, so a program that itself ends with 128 + n looks like one ended by signal n.
        """
        out = Output(self.address, argv[0])
        status, err = self._exec(argv, timeout_s, BytesIO(stdin.encode()), out.add)
        return Completed(argv=tuple(argv), status=status, stdout=out.text(), stderr=err)

    def close(self) -> None:
        """Nothing is held: adb's own server keeps the connection."""

    def _put(self, content: BinaryIO, size: int, mode: int, partial: PurePosixPath, remote: PurePosixPath) -> None:
        words = [str(partial), str(remote), str(size), f"{mode:o}"]
        argv = ["sh", "-c", PUT_SCRIPT, "sh", *words]
        status, err = self._exec(argv, COPY_LIMIT_S, content, lambda chunk: None, copies=True)
        if status == 0:
            return
        free = self._free(remote.parent)
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
        told, mark, end = err.text().rpartition(f"{END_MARK} ")
        status, _, after = end.partition("\n")
        if not mark or not (status.isdecimal() and len(status) <= STATUS_DIGITS):
            raise self._lost(last_line(end))
        leader.check(int(status), told)
        return ended(int(status)), told + after

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
        with suppress(Exception):  # this is the second fault; the first one is what is told
            killing = self._shell(f"kill -KILL -{leader}")
            try:
                killing.communicate(timeout=5.0)
            finally:
                _end(killing)

    def _free(self, folder: PurePosixPath) -> int | None:
        with suppress(TargetError):
            done = self.run(["sh", "-c", FREE_SPACE_SCRIPT, "sh", str(folder)], timeout_s=HOUSEKEEPING_LIMIT_S)
            return free_bytes(done.stdout)
        return None

    def _lost(self, reason: str) -> UnreachableError:
        return UnreachableError(
            f"{self.address}: the connection was lost ({reason or 'adb ended'}); "
            "look at `adb devices` and run this again"
        )


def _asked(adb: str, *words: str) -> str:
    """What adb itself says to a question; its server is started by the first one, and may answer late."""
    try:
        done = subprocess.run(
            [adb, *words], capture_output=True, text=True, errors="replace", timeout=ASKING_LIMIT_S, check=False,
            stdin=subprocess.DEVNULL,
        )  # fmt: skip
    except subprocess.TimeoutExpired as error:
        raise UnreachableError(
            f"`adb {' '.join(words)}` did not answer within {ASKING_LIMIT_S:g} s; run `adb kill-server` and this again"
        ) from error
    if done.returncode != 0:
        raise UnreachableError(
            f"`adb {' '.join(words)}` failed ({last_line(done.stderr or done.stdout)}); "
            "run `adb kill-server` and this again"
        )
    return done.stdout


def _end(process: subprocess.Popen[bytes]) -> None:
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)


def _plausible(serial: str) -> bool:
    return all(sign.isalnum() or sign in "._:-[]" for sign in serial) and not serial.startswith("-")
