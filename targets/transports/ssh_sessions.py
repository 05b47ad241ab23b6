"""The sessions of an SSH connection: no more at once than the server allows, what is said in one, and an end to it.

In:  a transport; how to make room where the file server takes a session of its own.
Out: channels, one for each command.
"""

import selectors
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import BinaryIO

import paramiko
from paramiko.common import cMSG_CHANNEL_REQUEST

from edgewright.errors import TargetError
from edgewright.targets.transports import conversation
from edgewright.targets.transports.conversation import Deadline, Stall

CHUNK_BYTES = 1 << 15
ASKED_AGAIN_S = 0.05
LAG_LIMIT_S = 5.0  # how long a server may take to see that a session has ended
KILL_LIMIT_S = 5.0


class Sessions:
    """Opens sessions. A server that allows only so many is asked again once another of ours has ended."""

    def __init__(
        self,
        transport: paramiko.Transport,
        address: str,
        *,
        make_room: Callable[[], bool],
        connect_anew: Callable[[], paramiko.Transport],
    ) -> None:
        self._transport, self._address = transport, address
        self._make_room, self._connect_anew = make_room, connect_anew
        self._changed = threading.Condition()
        self._opening = threading.Lock()  # a transport keeps one refusal, for whoever asks for it first
        self._count = 0

    @contextmanager
    def opened(self, limit_s: float) -> Iterator[paramiko.Channel]:
        """A session, closed with the context. Raises `TargetError` where the server allows none."""
        channel = self._open(limit_s)
        try:
            yield channel
        finally:
            channel.close()
            with self._changed:
                self._count -= 1
                self._changed.notify_all()

    def open_one(self, limit_s: float) -> paramiko.Channel:
        """A session beside the others. Raises `ChannelException` where the server allows no further one."""
        with self._opening:
            return self._transport.open_session(timeout=limit_s)

    def kill(self, channel: paramiko.Channel, leader: int | None) -> None:
        """End a command with all its group: by `kill`, which may take a connection of its own."""
        with suppress(Exception):  # this is the second fault; the first one is what is reported
            if leader is None:
                _request(self._transport, channel, "signal", "KILL")
                return
            try:
                _kill(self._transport, self.open_one(KILL_LIMIT_S), leader)
            except paramiko.ChannelException:  # no further session; servers take no signal in one of root's
                another = self._connect_anew()
                try:
                    _kill(another, another.open_session(timeout=KILL_LIMIT_S), leader)
                finally:
                    another.close()

    def _open(self, limit_s: float) -> paramiko.Channel:
        alone_since: float | None = None
        while True:
            try:
                channel = self.open_one(limit_s)
            except paramiko.ChannelException as refused:
                made_room = self._make_room()
                with self._changed:
                    if self._count or made_room:  # their end makes room
                        alone_since = None
                    elif alone_since is None:
                        alone_since = time.monotonic()
                    elif time.monotonic() - alone_since > LAG_LIMIT_S:
                        raise TargetError(
                            f"{self._address}: the server opens no session ({refused.text or refused}); "
                            "check its settings, such as MaxSessions, and its log"
                        ) from refused
                    self._changed.wait(ASKED_AGAIN_S)
                continue
            with self._changed:
                self._count += 1
            return channel


class Talk:
    """What goes to a command and comes from it, until it ends."""

    def __init__(
        self,
        channel: paramiko.Channel,
        source: BinaryIO,
        out: Callable[[bytes], object],
        err: Callable[[bytes], object],
        *,
        copies: bool,
    ) -> None:
        self._channel, self._source, self._out, self._err = channel, source, out, err
        self._copies = copies
        self._pending, self._writing = b"", True
        self._stall = Stall(conversation.STALL_LIMIT_S)
        channel.settimeout(conversation.STALL_LIMIT_S)

    def ended(self, deadline: Deadline) -> bool:
        """Whether it ended before the deadline. Raises `TimeoutError` where nothing moves that should."""
        channel = self._channel
        with selectors.DefaultSelector() as ready:
            ready.register(channel, selectors.EVENT_READ)
            while not (channel.exit_status_ready() and (channel.eof_received or channel.closed)):
                if channel.closed and not channel.status_event.wait(1.0):
                    break  # without a word on how it ended
                self._write()
                # paramiko wakes us for output only; while there is input to send we look ourselves
                patience_s = (0.0 if channel.send_ready() else 0.01) if self._writing else 1.0
                ready.select(min(deadline.left_s(), patience_s))
                self._read()
                if channel.eof_received:  # from here on it counts as readable without end
                    channel.status_event.wait(0.05)
                if deadline.passed():
                    return False
                if not (self._writing or self._copies):
                    self._stall.rest()
                elif self._stall.stands():
                    raise TimeoutError(self._stall.reason())
        while chunk := channel.recv(CHUNK_BYTES):
            self._out(chunk)
        while chunk := channel.recv_stderr(CHUNK_BYTES):
            self._err(chunk)
        return True

    def _write(self) -> None:
        channel = self._channel
        if self._writing and not self._pending:
            self._pending = self._source.read(CHUNK_BYTES)
            if not self._pending:
                self._writing = False
                channel.shutdown_write()
        if self._writing and channel.send_ready():
            with suppress(OSError):  # the program ended without reading it all; its status says the rest
                count = channel.send(self._pending)
                self._pending = self._pending[count:]
                self._stall.moved(count)

    def _read(self) -> None:
        channel = self._channel
        if channel.recv_ready():
            chunk = channel.recv(CHUNK_BYTES)
            self._stall.moved(len(chunk))
            self._out(chunk)
        if channel.recv_stderr_ready():
            chunk = channel.recv_stderr(CHUNK_BYTES)
            self._stall.moved(len(chunk))
            self._err(chunk)


def _kill(transport: paramiko.Transport, channel: paramiko.Channel, leader: int) -> None:
    try:
        channel.settimeout(KILL_LIMIT_S)
        # without waiting for the server's word, which may never come
        _request(transport, channel, "exec", f"kill -KILL -{leader}")
        channel.status_event.wait(KILL_LIMIT_S)
    finally:
        channel.close()


def _request(transport: paramiko.Transport, channel: paramiko.Channel, kind: str, word: str) -> None:
    """A channel's request that wants no answer; paramiko has no public way to one."""
    message = paramiko.Message()
    message.add_byte(cMSG_CHANNEL_REQUEST)
    message.add_int(channel.remote_chanid)
    message.add_string(kind)
    message.add_boolean(False)
    message.add_string(word)
    transport._send_user_message(message)  # type: ignore[attr-defined]
