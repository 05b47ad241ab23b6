"""An SSH server that lies, on the loopback interface: what a test makes of its sessions and of its files.

By itself it is honest: it lets any key in, runs commands by `sh`, and has no file server.
"""

import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import paramiko
from paramiko.common import AUTH_SUCCESSFUL, OPEN_FAILED_ADMINISTRATIVELY_PROHIBITED, OPEN_SUCCEEDED

from edgewright.targets.transports.launch import MARK
from tests.targets.servers import new_key

BEGUN = f"{MARK} 4194000\n".encode()  # no process of this machine
CHUNK = b"\0" * (1 << 15)

INIT, VERSION, OPEN, CLOSE, READ, WRITE, STATUS, HANDLE, DATA, ATTRS = 1, 2, 3, 4, 5, 6, 101, 102, 103, 105
STATS = (7, 8, 17)
OK, EOF, DENIED = 0, 1, 3

Runs = Callable[[paramiko.Channel, str], None]
Serves = Callable[[paramiko.Channel], None]


@dataclass(frozen=True, kw_only=True)
class Lies:
    """How a server behaves: what it does with a command and as a file server (None: it has none)."""

    run: Runs | None = None
    serve: Serves | None = None
    answers_requests: bool = True
    opens_sessions: bool = True


class _Interface(paramiko.ServerInterface):
    def __init__(self, lies: Lies) -> None:
        self._lies = lies

    def get_allowed_auths(self, username: str) -> str:
        return "publickey"

    def check_auth_publickey(self, username: str, key: paramiko.PKey) -> int:
        return AUTH_SUCCESSFUL

    def check_channel_request(self, kind: str, chanid: int) -> int:
        return OPEN_SUCCEEDED if self._lies.opens_sessions else OPEN_FAILED_ADMINISTRATIVELY_PROHIBITED

    def check_channel_exec_request(self, channel: paramiko.Channel, command: bytes) -> bool:
        if not self._lies.answers_requests:
            time.sleep(30)
        _begin(channel, self._lies.run or honest, command.decode())
        return True

    def check_channel_subsystem_request(self, channel: paramiko.Channel, name: str) -> bool:
        if self._lies.serve is None:
            return False
        _begin(channel, self._lies.serve)
        return True


def _begin(channel: paramiko.Channel, work: Callable[..., None], *arguments: str) -> None:
    def run() -> None:
        time.sleep(0.02)  # the answer to the request goes first
        with suppress(Exception):  # the client has gone
            work(channel, *arguments)

    threading.Thread(target=run, daemon=True).start()


@contextmanager
def lying_server(own_home: Path, lies: Lies) -> Iterator[str]:
    """The address of such a server, whose host key is known."""
    key = own_home / ".ssh" / "id_ed25519"
    if not key.exists():
        new_key(key)
    kind, blob = new_key(own_home / "lying_key").split()[:2]
    host_key = paramiko.PKey.from_path(own_home / "lying_key")
    transports: list[paramiko.Transport] = []
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            with suppress(OSError):
                while True:
                    transport = paramiko.Transport(listener.accept()[0])
                    transports.append(transport)
                    transport.add_server_key(host_key)
                    with suppress(Exception):
                        transport.start_server(server=_Interface(lies))

        threading.Thread(target=serve, daemon=True).start()
        port = listener.getsockname()[1]
        with (own_home / ".ssh" / "known_hosts").open("a") as file:
            file.write(f"[127.0.0.1]:{port} {kind} {blob}\n")
        try:
            yield f"ssh://liar@127.0.0.1:{port}"
        finally:
            for transport in transports:
                transport.close()


def honest(channel: paramiko.Channel, command: str) -> None:
    """Run a command as a server does."""
    process = subprocess.Popen(
        ["setsid", "sh", "-c", command], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    assert process.stdin is not None

    def feed() -> None:
        with suppress(OSError), process.stdin:  # type: ignore[union-attr]
            while chunk := channel.recv(1 << 15):
                process.stdin.write(chunk)  # type: ignore[union-attr]
                process.stdin.flush()  # type: ignore[union-attr]

    threading.Thread(target=feed, daemon=True).start()

    def pass_on(source: object, send: Callable[[bytes], object]) -> None:
        while chunk := source.read1(1 << 15):  # type: ignore[attr-defined]
            send(chunk)

    errors = threading.Thread(target=pass_on, args=(process.stderr, channel.sendall_stderr), daemon=True)
    errors.start()
    pass_on(process.stdout, channel.sendall)
    errors.join()
    ends(channel, process.wait())


def ends(channel: paramiko.Channel, status: int | None = 0) -> None:
    """The end of a command, with a status or without one."""
    if status is not None:
        channel.send_exit_status(status)
    channel.shutdown(2)
    channel.close()


def says(out: bytes = b"", err: bytes = b"", *, status: int | None = 0, begun: bytes = BEGUN) -> Runs:
    """A command that reads nothing, prints this and ends so."""

    def run(channel: paramiko.Channel, command: str) -> None:
        channel.sendall(begun + out)
        channel.sendall_stderr(err)
        ends(channel, status)

    return run


def never_ends(piece: bytes, *, every_s: float = 0.0, begun: bytes = BEGUN, stderr: bool = False) -> Runs:
    """A command that prints a piece again and again."""

    def run(channel: paramiko.Channel, command: str) -> None:
        channel.sendall(begun)
        while True:
            (channel.sendall_stderr if stderr else channel.sendall)(piece)
            time.sleep(every_s)

    return run


def never_reads(channel: paramiko.Channel, command: str) -> None:
    """A command that begins, and does nothing."""
    channel.sendall(BEGUN)
    time.sleep(30)


@dataclass(kw_only=True)
class FileLies:
    """A file server for one file, which keeps nothing. Each of these may lie."""

    size: int | None = 1_000_000  # as it says
    holds: int = 1 << 62  # how much it has before its end
    data: Callable[[int], bytes] = lambda length: b"\0" * length
    at: Callable[[int, int], bytes] | None = None  # what lies at an offset, in its place
    reads_before: Callable[[paramiko.Channel, int], None] = lambda channel, number: None
    write_status: int | None = OK  # None: no answer

    def __call__(self, channel: paramiko.Channel) -> None:
        reads = 0
        while True:
            kind, message = _received(channel)
            if kind == INIT:
                _send(channel, VERSION, 3)
                continue
            number = message.get_int()
            if kind == OPEN:
                _send(channel, HANDLE, number, b"h")
            elif kind in STATS:
                attributes = [0] if self.size is None else [1, paramiko.sftp.int64(self.size)]
                _send(channel, ATTRS, number, *attributes)
            elif kind == READ:
                message.get_string()
                offset, length = message.get_int64(), message.get_int()
                reads += 1
                self.reads_before(channel, reads)
                if offset >= self.holds:
                    _status(channel, number, EOF)
                else:
                    _send(channel, DATA, number, self.at(offset, length) if self.at else self.data(length))
            elif kind == WRITE and self.write_status is None:
                continue
            else:
                _status(channel, number, self.write_status or OK if kind == WRITE else OK)


def _received(channel: paramiko.Channel) -> tuple[int, paramiko.Message]:
    size = int.from_bytes(_exactly(channel, 4))
    packet = _exactly(channel, size)
    return packet[0], paramiko.Message(packet[1:])


def _exactly(channel: paramiko.Channel, count: int) -> bytes:
    found = b""
    while len(found) < count:
        piece = channel.recv(count - len(found))
        if not piece:
            raise EOFError
        found += piece
    return found


def _status(channel: paramiko.Channel, number: int, status: int) -> None:
    _send(channel, STATUS, number, status, b"so it is", b"en")


def _send(channel: paramiko.Channel, kind: int, *words: int | bytes) -> None:
    message = paramiko.Message()
    for word in words:
        if isinstance(word, bytes):
            message.add_string(word)
        elif isinstance(word, paramiko.sftp.int64):
            message.add_int64(word)
        else:
            message.add_int(word)
    content = bytes([kind]) + message.asbytes()
    channel.sendall(len(content).to_bytes(4) + content)
