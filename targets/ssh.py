"""A machine reached by SSH, as a target.

In:  an address, or a `Login` made elsewhere (an emulated board's).
Out: a `Target`: files by SFTP, or through `cat` where the server has none; commands with a limit on time and output.
Trust and keys are `ssh_login`'s concern.
"""

import os
import secrets
import selectors
import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from io import BytesIO
from pathlib import Path, PurePosixPath
from typing import BinaryIO

import paramiko

from targets.arriving import arriving
from targets.base import Completed, Target
from targets.conversation import Deadline, Output
from targets.launch import Leader, ended, launched
from targets.space import FREE_SPACE_SCRIPT, free_bytes
from targets.ssh_login import Login, connect, lost, read_address
from toolchain.errors import CommandTimeoutError, DeviceFullError, TargetError, TransferError

CHUNK_BYTES = 1 << 15
REQUEST_BYTES = 261_120  # the largest that OpenSSH's file server takes; larger ones mean fewer to answer
FIRST_UNANSWERED, MOST_UNANSWERED = 256 << 10, 2 << 20  # bytes under way without an answer; an eighth more each answer
HOUSEKEEPING_LIMIT_S = 60.0
STALL_LIMIT_S = 60.0
PIPE_LIMIT_S = 24 * 3600.0  # a large file over a slow line; a dead one shows long before


def open_address(address: str, *, instruction_clock: bool) -> Target:
    """Connect to the machine at an `ssh://` address."""
    return SshTarget(read_address(address))


class SshTarget:
    """A machine behind an SSH server."""

    def __init__(self, login: Login) -> None:
        self._login = login
        self._transport = connect(login)
        self._sftp: paramiko.SFTPClient | None = None
        self._has_sftp = True
        self._home: PurePosixPath | None = None
        self._unanswered = FIRST_UNANSWERED
        self._lock = threading.Lock()  # an SFTP client serves one caller at a time

    @property
    def address(self) -> str:
        """`ssh://user@host:port` as it was given."""
        return self._login.address

    @property
    def emulated(self) -> bool:
        """No: whatever answers there is taken for a real machine."""
        return False

    @property
    def home(self) -> PurePosixPath:
        """`.edgewright` in the user's home directory there."""
        if self._home is None:
            done = self.run(["sh", "-c", "cd && pwd"], timeout_s=HOUSEKEEPING_LIMIT_S)
            if done.status != 0 or not done.stdout.startswith("/"):
                raise TargetError(f"{self.address}: {self._login.user} has no home directory there; give that user one")
            self._home = PurePosixPath(done.stdout.strip()) / ".edgewright"
        return self._home

    def put(self, source: Path | bytes, remote: PurePosixPath) -> None:
        """Copy a file there under a passing name, then rename it."""
        partial = remote.with_name(f".{remote.name}.{secrets.token_hex(4)}.part")
        what = "what was to be sent" if isinstance(source, bytes) else str(source)
        try:
            with _opened(source) as (content, size, mode), self._translated(f"{what} could not be copied to {remote}"):
                self._send(content, partial, mode)
                self._rename(partial, remote, size)
        except OSError as error:
            raise TransferError(f"{what} cannot be read ({error.strerror}); check the file") from error
        except TransferError as error:
            self._tidy(partial)
            free = self._free(remote.parent)
            if free is not None and free < size:
                raise DeviceFullError(self.address, size / 1e6, free / 1e6) from error
            raise
        except BaseException:
            self._tidy(partial)
            raise

    def get(self, remote: PurePosixPath, local: Path) -> None:
        """Copy a file here under a passing name, then rename it."""
        with arriving(local) as sink, self._translated(f"{remote} could not be copied to {local}"):
            self._receive(remote, sink)

    def run(self, argv: Sequence[str], *, timeout_s: float, stdin: str = "") -> Completed:
        """Run a program there; at the time limit its whole process group is killed.

        A shell stands in between, so a program that itself ends with 128 + n looks like one ended by signal n.
        """
        out = Output(self.address, argv[0])
        status, err = self._exec(argv, timeout_s, BytesIO(stdin.encode()), out.add)
        return Completed(argv=tuple(argv), status=status, stdout=out.text(), stderr=err)

    def close(self) -> None:
        """End the connection."""
        with suppress(Exception):
            self._transport.close()

    def _exec(
        self, argv: Sequence[str], timeout_s: float, source: BinaryIO, sink: Callable[[bytes], object]
    ) -> tuple[int, str]:
        """Run a program; what it prints goes to `sink` as it arrives. Returns its status and standard error."""
        deadline = Deadline(timeout_s)
        leader = Leader(sink)
        err = Output(self.address, argv[0])
        with self._translated(f"{argv[0]} could not be run", TargetError):
            channel = self._transport.open_session(timeout=max(1.0, min(timeout_s, HOUSEKEEPING_LIMIT_S)))
            try:
                channel.exec_command(launched(*argv))
                status = self._converse(channel, deadline, source, leader.add, err.add, argv[0])
            except BaseException:  # the limit, endless output, or an interruption: nothing stays behind
                self._kill(leader.pid)
                raise
            finally:
                channel.close()
        return ended(status), err.text()

    def _converse(
        self,
        channel: paramiko.Channel,
        deadline: Deadline,
        source: BinaryIO,
        out: Callable[[bytes], object],
        err: Callable[[bytes], object],
        program: str,
    ) -> int:
        channel.settimeout(STALL_LIMIT_S)
        pending, writing = b"", True
        ready = selectors.DefaultSelector()
        ready.register(channel, selectors.EVENT_READ)
        while not (channel.exit_status_ready() and (channel.eof_received or channel.closed)):
            if writing and not pending:
                pending = source.read(CHUNK_BYTES)
                if not pending:
                    writing = False
                    channel.shutdown_write()
            if writing and channel.send_ready():
                with suppress(OSError):  # the program ended without reading it all; its status says the rest
                    pending = pending[channel.send(pending) :]
            # paramiko wakes us for output only; while there is input to send we look ourselves
            patience_s = (0.0 if channel.send_ready() else 0.01) if writing else 1.0
            ready.select(min(deadline.left_s(), patience_s))
            while channel.recv_ready():
                out(channel.recv(CHUNK_BYTES))
            while channel.recv_stderr_ready():
                err(channel.recv_stderr(CHUNK_BYTES))
            if channel.eof_received:  # from here on it counts as readable without end
                channel.status_event.wait(0.05)
            if deadline.passed():
                raise CommandTimeoutError(self.address, program, deadline.limit_s)
        while chunk := channel.recv(CHUNK_BYTES):
            out(chunk)
        while chunk := channel.recv_stderr(CHUNK_BYTES):
            err(chunk)
        status = channel.recv_exit_status()
        if status == -1 and not self._transport.is_active():
            raise EOFError("the other side closed it")
        if status == -1:
            raise TargetError(f"{self.address}: {program} was killed together with the shell it ran in; run it again")
        return status

    def _kill(self, leader: int | None) -> None:
        if leader is None or not self._transport.is_active():
            return
        with suppress(Exception):  # this is the second fault; the first one is what is told
            channel = self._transport.open_session(timeout=5.0)
            channel.settimeout(5.0)
            channel.exec_command(f"kill -KILL -{leader}")
            channel.status_event.wait(5.0)
            channel.close()

    def _send(self, source: BinaryIO, partial: PurePosixPath, mode: int) -> None:
        sftp = self._open_sftp()
        if sftp is None:
            script = 'mkdir -p "${1%/*}" && cat >"$1" && chmod "$2" "$1"'
            self._pipe(script, [str(partial), f"{mode:o}"], source)
            return
        with self._lock:
            try:
                sink = sftp.open(str(partial), "wb")
            except FileNotFoundError:
                self._pipe('mkdir -p "$1"', [str(partial.parent)])
                sink = sftp.open(str(partial), "wb")
            size = self._write(sftp, sink, source)
            if sftp.stat(str(partial)).st_size != size:
                raise OSError("not all of it arrived")
            sftp.chmod(str(partial), mode)

    def _write(self, sftp: paramiko.SFTPClient, sink: paramiko.SFTPFile, source: BinaryIO) -> int:
        """Write all of it, with as much under way as the link has shown to bear.

        As much as the protocol allows at once, as paramiko's own `putfo` sends it, costs an OpenSSH server 0.15 s: it
        makes its buffer larger for each request that it has no time for yet, and copies all of it.
        """
        openssh = "OpenSSH" in str(self._transport.remote_version)
        request = REQUEST_BYTES if openssh else CHUNK_BYTES
        sink.MAX_REQUEST_SIZE = request
        waiting: deque[int] = sink._reqs  # type: ignore[attr-defined]  # paramiko has no public way to them
        written = 0
        with sink:
            sink.set_pipelined(True)
            while chunk := source.read(request):
                sink.write(chunk)
                written += len(chunk)
                while len(waiting) * request > self._unanswered:
                    sftp._read_response(waiting.popleft())  # type: ignore[attr-defined]  # raises what went wrong
                    self._unanswered = min(MOST_UNANSWERED, self._unanswered + request // 8)
        return written

    def _receive(self, remote: PurePosixPath, sink: BinaryIO) -> None:
        sftp = self._open_sftp()
        if sftp is None:
            self._pipe('cat "$1"', [str(remote)], sink=sink.write)
            return
        with self._lock:
            size = sftp.stat(str(remote)).st_size
            if sftp.getfo(str(remote), sink) != size:
                raise OSError("it changed, or broke off, on the way")

    def _rename(self, partial: PurePosixPath, remote: PurePosixPath, size: int) -> None:
        with self._translated(f"{remote} could not be given its name"):
            if self._sftp is not None:  # the sizes are compared already
                with suppress(OSError):  # a server without this extension
                    self._sftp.posix_rename(str(partial), str(remote))
                    return
            script = '[ "$(wc -c <"$1")" -eq "$3" ] && mv -f "$1" "$2"'
            self._pipe(script, [str(partial), str(remote), str(size)])

    def _pipe(
        self,
        script: str,
        words: list[str],
        source: BinaryIO | None = None,
        sink: Callable[[bytes], object] = lambda chunk: None,
    ) -> None:
        status, err = self._exec(["sh", "-c", script, "sh", *words], PIPE_LIMIT_S, source or BytesIO(), sink)
        if status != 0:
            raise TransferError(f"{self.address}: a copy failed ({err.strip() or f'status {status}'}); run this again")

    def _open_sftp(self) -> paramiko.SFTPClient | None:
        if self._sftp is None and self._has_sftp:
            try:
                self._sftp = paramiko.SFTPClient.from_transport(self._transport)
                if self._sftp is not None and (channel := self._sftp.get_channel()) is not None:
                    channel.settimeout(STALL_LIMIT_S)
            except (paramiko.SSHException, EOFError):
                if not self._transport.is_active():
                    raise
                self._has_sftp = False  # small servers, such as dropbear, often lack it
        return self._sftp

    def _free(self, folder: PurePosixPath) -> int | None:
        with suppress(TargetError):
            done = self.run(["sh", "-c", FREE_SPACE_SCRIPT, "sh", str(folder)], timeout_s=HOUSEKEEPING_LIMIT_S)
            return free_bytes(done.stdout)
        return None

    def _tidy(self, partial: PurePosixPath) -> None:
        with suppress(Exception):
            self.run(["rm", "-f", str(partial)], timeout_s=HOUSEKEEPING_LIMIT_S)

    @contextmanager
    def _translated(self, purpose: str, kind: type[TargetError] = TransferError) -> Iterator[None]:
        try:
            yield
        except TargetError:
            raise
        except (paramiko.SSHException, EOFError, OSError) as error:
            if not self._transport.is_active() or isinstance(error, EOFError | TimeoutError):
                raise lost(self.address, error) from error
            raise kind(f"{self.address}: {purpose} ({error}); check the device and run this again") from error


@contextmanager
def _opened(source: Path | bytes) -> Iterator[tuple[BinaryIO, int, int]]:
    """What is to be sent, its size, and the mode it gets."""
    if isinstance(source, bytes):
        yield BytesIO(source), len(source), 0o644
        return
    with source.open("rb") as content:
        yield content, source.stat().st_size, 0o755 if os.access(source, os.X_OK) else 0o644
