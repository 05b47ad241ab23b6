"""Bounds on what an SSH server may do to us: how large its packets are, how long it stands still, what it answers.

In:  a socket, or a jump host's channel.
Out: paramiko's transport and SFTP client, which by themselves believe every size they are given and wait without end.
Logging in is `ssh_login`'s concern; what commands print is bounded by `conversation`.
"""

from __future__ import annotations

import errno
import logging
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import ClassVar

import paramiko
from paramiko.common import MSG_CHANNEL_DATA, MSG_CHANNEL_EXTENDED_DATA
from paramiko.packet import Packetizer

from edgewright.targets.transports import conversation
from edgewright.targets.transports.conversation import Stall, first_line

GREETING_LIMIT_BYTES = 1 << 16
PACKET_LIMIT_BYTES = 1 << 20  # OpenSSH sends 256 KiB at most
READ_BYTES = 1 << 18
WAITING_LIMIT_BYTES = 8 << 20  # paramiko grants 2 MiB
NEGOTIATION_LIMIT_S = 20.0
SHOWN_BYTES = 1000
REST_LIMIT_S = 1.0  # for the rest of a line that says why there is no file server
UNASKED_LIMIT = 64  # answers beyond those that were asked for

# All that paramiko raises where a server, or who speaks in its place, keeps to no protocol.
MISBEHAVIOUR = (
    paramiko.SSHException,
    paramiko.SFTPError,
    EOFError,
    OSError,
    ValueError,
    LookupError,
    TypeError,
    struct.error,
)


class PromptSocket(socket.socket):
    """Acknowledges at once what arrives. SSH servers wait for that before they send their next small packet (Nagle's
    algorithm), while this side's kernel would put it off by 40 ms for want of something to send along with it.
    """

    def recv(self, size: int, flags: int = 0, /) -> bytes:
        """As a socket does; what is asked for may be a server's claim, and memory is taken before anything comes."""
        received = super().recv(min(size, READ_BYTES), flags)
        if hasattr(socket, "TCP_QUICKACK"):  # Linux; it holds for what arrives next only
            self.setsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK, 1)
        return received


class _BoundedPackets(Packetizer):
    """Packets of a size that makes sense, and writes that end also where nobody reads."""

    def __init__(self, way: socket.socket) -> None:
        super().__init__(way)
        self._way = way
        self._greeting_bytes = 0

    def read_all(self, n: int, check_rekey: bool = False) -> bytes:
        """So many bytes. Raises `SSHException` where that is no packet's size."""
        if not 0 <= n <= PACKET_LIMIT_BYTES:
            raise paramiko.SSHException(f"it announced a packet of {n} bytes")
        return super().read_all(n, check_rekey)

    def write_all(self, out: bytes) -> None:  # type: ignore[override]  # bytes is all that it is given
        """All of it. Raises `EOFError` where nothing goes for as long as the limit."""
        moved_s = time.monotonic()
        while out:
            try:
                count = self._way.send(out)
                if not count:
                    raise EOFError("the way there was closed")
                out, moved_s = out[count:], time.monotonic()
            except OSError as error:  # a time-out comes every tenth of a second
                if not isinstance(error, TimeoutError) and error.errno != errno.EAGAIN:
                    raise EOFError(str(error)) from error
                if self.closed or time.monotonic() - moved_s > conversation.STALL_LIMIT_S:
                    raise EOFError(f"nothing could be sent for {conversation.STALL_LIMIT_S:g} s") from error

    def _read_timeout(self, timeout: float) -> bytes:
        """Some more of the greeting, which has an end."""
        chunk: bytes = super()._read_timeout(timeout)  # type: ignore[misc]  # not in the stubs
        self._greeting_bytes += len(chunk)
        if self._greeting_bytes > GREETING_LIMIT_BYTES:
            raise paramiko.SSHException("its greeting has no end")
        return chunk


def _within_window(feed: Callable[[paramiko.Channel, paramiko.Message], None]) -> Callable[..., None]:
    """Take a channel's data, from a server that keeps to the window it was given."""

    def take(channel: paramiko.Channel, message: paramiko.Message) -> None:
        feed(channel, message)
        if len(channel.in_buffer) + len(channel.in_stderr_buffer) > WAITING_LIMIT_BYTES:
            raise paramiko.SSHException("it sent more than it may before that was read")

    return take


class Transport(paramiko.Transport):
    """A connection within these bounds, that lets go of the jump host's, too."""

    _channel_handler_table: ClassVar = {  # paramiko has no public way to it
        kind: _within_window(take) if kind in (MSG_CHANNEL_DATA, MSG_CHANNEL_EXTENDED_DATA) else take
        for kind, take in paramiko.Transport._channel_handler_table.items()  # type: ignore[attr-defined]
    }

    def __init__(self, connection: socket.socket | paramiko.Channel, jump: paramiko.Transport | None) -> None:
        # Its log repeats, with tracebacks, what is raised; without a handler Python would print that.
        logging.getLogger("paramiko").setLevel(logging.CRITICAL)
        super().__init__(connection, packetizer_class=_BoundedPackets)
        self._jump = jump

    def close(self) -> None:
        """End it. Safe to call twice."""
        super().close()
        if self._jump is not None:
            self._jump.close()


class Files(paramiko.SFTPClient):
    """An SFTP client within these bounds."""

    def __init__(self, channel: paramiko.Channel) -> None:
        self._answers = 0
        self._channel = channel
        channel.settimeout(min(NEGOTIATION_LIMIT_S, conversation.STALL_LIMIT_S))
        super().__init__(channel)
        channel.settimeout(conversation.STALL_LIMIT_S)

    def _write_all(self, out: bytes) -> None:
        """All of it. Raises `TimeoutError` where it drips."""
        stall = Stall(conversation.STALL_LIMIT_S)
        while out:
            count = self._channel.send(out)
            if not count:
                raise EOFError("the file server ended")
            out = out[count:]
            _still_moving(stall, count)

    def _read_all(self, n: int) -> bytes:
        """So many bytes. Raises `TimeoutError` where they drip."""
        stall, pieces = Stall(conversation.STALL_LIMIT_S), []
        while n > 0:
            piece = self._channel.recv(n)
            if not piece:
                raise EOFError("the file server ended")
            pieces.append(piece)
            n -= len(piece)
            _still_moving(stall, len(piece))
        return b"".join(pieces)

    def _read_packet(self) -> tuple[int, bytes]:
        """The next answer. Raises `SFTPError` where it is none, or where there are more answers than questions."""
        self._answers += 1
        if self._answers > self.request_number + UNASKED_LIMIT:
            raise paramiko.SFTPError("the file server answers what it was not asked")
        head = self._read_all(4)
        (size,) = struct.unpack(">I", head)
        if not 0 < size <= PACKET_LIMIT_BYTES:
            # Whatever is printed in a file server's place comes before what that one says itself.
            line = self._line_that_begins(head).decode("utf-8", "replace")
            raise paramiko.SFTPError(f"its file server answered {first_line(line)!r}")
        content = self._read_all(size)
        return content[0], content[1:]

    def _line_that_begins(self, line: bytes) -> bytes:
        """What there is of a line, or comes of it soon."""
        until_s = time.monotonic() + REST_LIMIT_S
        while b"\n" not in line and len(line) < SHOWN_BYTES and (left_s := until_s - time.monotonic()) > 0:
            self._channel.settimeout(left_s)
            try:
                more = self._channel.recv(SHOWN_BYTES)
            except TimeoutError:
                break
            if not more:
                break
            line += more
        return line


def _still_moving(stall: Stall, count: int) -> None:
    stall.moved(count)
    if stall.stands():
        raise TimeoutError(stall.reason())


@contextmanager
def answering(channel: paramiko.Channel, limit_s: float) -> Iterator[None]:
    """Close the channel where a request inside is not answered in time: paramiko waits for that without end."""
    late = threading.Event()

    def give_up() -> None:
        late.set()
        with suppress(Exception):  # the connection has ended meanwhile
            channel.close()

    watch = threading.Timer(limit_s, give_up)
    watch.daemon = True
    watch.start()
    try:
        yield
    except paramiko.SSHException as error:
        if late.is_set():
            raise TimeoutError(f"no answer within {limit_s:g} s") from error
        raise
    finally:
        watch.cancel()
