"""A machine reached by SSH, as a target.

In:  an address, or a `Login` made elsewhere (an emulated board's).
Out: a `Target`: files by SFTP, or through `cat` where the server has none or its shell speaks in between; commands with
     a limit on time and output.
Trust and keys are `ssh_login`'s concern, bounds on what a server may send `ssh_wire`'s.
"""

import logging
import re
import secrets
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from io import BytesIO
from pathlib import Path, PurePosixPath
from typing import BinaryIO

import paramiko

from edgewright.errors import CommandTimeoutError, DeviceFullError, TargetError, TransferError
from edgewright.targets.base import Completed, Target, or_another_folder
from edgewright.targets.transports.arriving import arriving
from edgewright.targets.transports.commands import HOUSEKEEPING_LIMIT_S, completed, free_space, outgoing
from edgewright.targets.transports.conversation import (
    GET_LIMIT_BYTES,
    Deadline,
    OnOutput,
    Output,
    Received,
    last_line,
)
from edgewright.targets.transports.launch import Leader, ended, for_any_shell, launched
from edgewright.targets.transports.ssh_address import Login, read_address
from edgewright.targets.transports.ssh_files import FileServer
from edgewright.targets.transports.ssh_login import connect, lost
from edgewright.targets.transports.ssh_sessions import Sessions, Talk
from edgewright.targets.transports.ssh_wire import MISBEHAVIOUR, Files, answering

CHUNK_BYTES = 1 << 15
SIZE_MARK = "@edgewright-size"
READ_SCRIPT = f'echo "{SIZE_MARK} $(wc -c <"$1")" >&2 && cat "$1"'
HOME_FORM = r"/[^\n]{0,4000}\n"
PIPE_LIMIT_S = 24 * 3600.0  # a large file over a slow line; a dead one shows long before

_log = logging.getLogger(__name__)


def open_address(address: str, *, instruction_clock: bool) -> Target:
    """Connect to the machine at an `ssh://` address."""
    return SshTarget(read_address(address))


class SshTarget:
    """A machine behind an SSH server."""

    def __init__(self, login: Login) -> None:
        self._login = login
        self._transport = connect(login)
        self._sessions = Sessions(
            self._transport,
            login.address,
            make_room=self._without_file_server,
            connect_anew=lambda: connect(replace(login, asks=False)),
        )
        self._file_server: FileServer | None = None
        self._has_file_server = True
        self._home: PurePosixPath | None = None
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
        """`.edgewright` in the user's home directory there, or in the folder that the address names."""
        if self._home is None:
            folder = [str(self._login.folder)] if self._login.folder else []
            done = self.run(["sh", "-c", 'cd "$@" && pwd', "sh", *folder], timeout_s=HOUSEKEEPING_LIMIT_S)
            if folder and done.status != 0:
                raise TargetError(
                    f"{self.address}: the folder {folder[0]} cannot be entered there ({last_line(done.stderr)}); "
                    f"make it{or_another_folder(self.address)}"
                )
            if done.status != 0 or not re.fullmatch(HOME_FORM, done.stdout) or not done.stdout[:-1].isprintable():
                raise TargetError(
                    f"{self.address}: {self._login.user} has no home directory there; give that user one, or "
                    "name another folder with ?folder=PATH"
                )
            self._home = PurePosixPath(done.stdout[:-1]) / ".edgewright"
        return self._home

    @property
    def lease_homes(self) -> tuple[PurePosixPath, ...]:
        """In the user's own home, else in /tmp, and only then in a folder that the address names."""
        if not self._login.folder:
            return (self.home,)
        script = "id -u && cd 2>/dev/null && pwd"
        lines = self.run(["sh", "-c", script], timeout_s=HOUSEKEEPING_LIMIT_S).stdout.split("\n", 1)
        places = [PurePosixPath(f"/tmp/.edgewright-{lines[0]}")] if re.fullmatch(r"\d{1,10}", lines[0]) else []
        if re.fullmatch(HOME_FORM, lines[-1]) and lines[-1][:-1].isprintable():
            places.insert(0, PurePosixPath(lines[-1][:-1]) / ".edgewright")
        return tuple(dict.fromkeys((*places, self.home)))

    def put(self, source: Path | bytes, remote: PurePosixPath) -> None:
        """Copy a file there under a passing name, then rename it."""
        partial = remote.with_name(f".{remote.name}.{secrets.token_hex(4)}.part")
        what = "what was to be sent" if isinstance(source, bytes) else str(source)
        try:
            with outgoing(source) as (content, size, mode), self._translated(f"{what} could not be copied to {remote}"):
                self._send(content, partial, mode)
                self._rename(partial, remote, size)
        except OSError as error:
            raise TransferError(f"{what} cannot be read ({error.strerror}); check the file") from error
        except TransferError as error:
            self._tidy(partial)
            free = free_space(self, remote.parent)
            if free is not None and free < size:
                raise DeviceFullError(self.address, size / 1e6, free / 1e6) from error
            raise
        except BaseException:
            self._tidy(partial)
            raise

    def get(self, remote: PurePosixPath, local: Path, *, limit_bytes: int = GET_LIMIT_BYTES) -> None:
        """Copy a file here under a passing name, then rename it."""
        with arriving(local) as sink, self._translated(f"{remote} could not be copied to {local}"):
            received = Received(self.address, str(remote), sink.write, limit_bytes)
            with self._lock:
                if server := self._open_file_server():
                    server.read(remote, received)
                    return
            errors = self._pipe(READ_SCRIPT, [str(remote)], sink=received.add, limit_s=PIPE_LIMIT_S)
            size = re.search(rf"^{SIZE_MARK} *(\d{{1,20}})$", errors, re.M)
            if size is None or int(size[1]) != received.size:
                shown = f"it has {size[1]} bytes, and {received.size} came" if size else "its size is not known"
                raise TransferError(f"{self.address}: {remote} was not copied whole ({shown}); run this again")

    def run(
        self, argv: Sequence[str], *, timeout_s: float, stdin: str = "", on_output: OnOutput | None = None
    ) -> Completed:
        """Run a program there, as `commands.completed` says."""
        return completed(self._exec, self.address, argv, timeout_s=timeout_s, stdin=stdin, on_output=on_output)

    def close(self) -> None:
        """End the connection."""
        with suppress(Exception):
            self._transport.close()

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
        leader = Leader(self.address, argv[0], sink)
        err = Output(self.address, argv[0])
        patience_s = max(1.0, min(timeout_s, HOUSEKEEPING_LIMIT_S))
        with self._translated(f"{argv[0]} could not be run", TargetError), self._sessions.opened(patience_s) as channel:
            deadline = Deadline(timeout_s)
            try:
                with answering(channel, HOUSEKEEPING_LIMIT_S):
                    channel.exec_command(for_any_shell(launched(*argv)))
                talk = Talk(channel, source, leader.add, err.add, copies=copies)
                if not talk.ended(deadline):
                    raise CommandTimeoutError(self.address, argv[0], deadline.limit_s)
            except BaseException:  # the limit, endless output, or an interruption: nothing stays behind
                if self._transport.is_active():
                    self._sessions.kill(channel, leader.pid)
                raise
            status = channel.recv_exit_status()
            if status == -1 and not self._transport.is_active():
                raise EOFError("the other side closed it")
        if status == -1:
            raise TargetError(f"{self.address}: {argv[0]} was killed together with the shell it ran in; run it again")
        leader.check(status, err.text())
        return ended(status), err.text()

    def _send(self, source: BinaryIO, partial: PurePosixPath, mode: int, *, makes_folder: bool = True) -> None:
        try:
            with self._lock:
                if server := self._open_file_server():
                    server.write(source, partial, mode)
                    return
        except FileNotFoundError:
            if not makes_folder:
                raise
            self._pipe('mkdir -p "$1"', [str(partial.parent)])
            self._send(source, partial, mode, makes_folder=False)
            return
        script = 'mkdir -p "${1%/*}" && cat >"$1" && chmod "$2" "$1"'
        self._pipe(script, [str(partial), f"{mode:o}"], source, limit_s=PIPE_LIMIT_S)

    def _rename(self, partial: PurePosixPath, remote: PurePosixPath, size: int) -> None:
        with self._translated(f"{remote} could not be given its name"):
            with self._lock:
                if self._file_server is not None:  # the sizes are compared already
                    with suppress(OSError):  # a server without this extension
                        self._file_server.rename(partial, remote)
                        return
            script = '[ "$(wc -c <"$1")" -eq "$3" ] && mv -f "$1" "$2"'
            self._pipe(script, [str(partial), str(remote), str(size)])

    def _pipe(
        self,
        script: str,
        words: list[str],
        source: BinaryIO | None = None,
        sink: Callable[[bytes], object] = lambda chunk: None,
        *,
        limit_s: float = HOUSEKEEPING_LIMIT_S,
    ) -> str:
        """Run a script that copies; what it says on standard error. Raises `TransferError` where it fails."""
        argv = ["sh", "-c", script, "sh", *words]
        status, err = self._exec(argv, limit_s, source or BytesIO(), sink, copies=True)
        if status != 0:
            reason = last_line(err) or f"status {status}"
            further = or_another_folder(self.address)
            raise TransferError(f"{self.address}: a copy failed ({reason}); run this again{further}")
        return err

    def _open_file_server(self) -> FileServer | None:
        if self._file_server is not None and self._file_server.broken:
            self._file_server = None
        if self._file_server is None and self._has_file_server:
            try:
                channel = self._sessions.open_one(HOUSEKEEPING_LIMIT_S)
                try:
                    with answering(channel, HOUSEKEEPING_LIMIT_S):
                        channel.invoke_subsystem("sftp")
                    openssh = "OpenSSH" in str(self._transport.remote_version)
                    self._file_server = FileServer(Files(channel), openssh=openssh)
                except BaseException:
                    channel.close()
                    raise
            except paramiko.ChannelException:  # no further session, before a file server was asked for
                self._use_the_shell("the server allows few sessions at once")
            except MISBEHAVIOUR as error:
                if not self._transport.is_active():
                    raise
                # Small servers, such as dropbear, often lack it; a shell that prints spoils it.
                self._use_the_shell(f"want of a file server ({error})")
        return self._file_server

    def _without_file_server(self) -> bool:
        """Do without it from now on, so that its session is free for another; whether there was one."""
        with self._lock:
            server, self._file_server = self._file_server, None
            self._use_the_shell("the server allows few sessions at once")
        if server is not None:
            server.close()
        return server is not None

    def _use_the_shell(self, reason: str) -> None:
        """Send files through the shell from now on, and log why once."""
        if self._has_file_server:
            _log.info("%s: files go through the shell, for %s", self.address, reason)
        self._has_file_server = False

    def _tidy(self, partial: PurePosixPath) -> None:
        with suppress(Exception):
            self.run(["rm", "-f", str(partial)], timeout_s=HOUSEKEEPING_LIMIT_S)

    @contextmanager
    def _translated(self, purpose: str, kind: type[TargetError] = TransferError) -> Iterator[None]:
        try:
            yield
        except TargetError:
            raise
        except MISBEHAVIOUR as error:
            if not self._transport.is_active() or isinstance(error, EOFError | TimeoutError):
                raise lost(self.address, error) from error
            raise kind(f"{self.address}: {purpose} ({error}); check the device and run this again") from error
