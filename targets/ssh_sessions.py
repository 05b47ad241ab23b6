"""The sessions of an SSH connection: no more at once than the server allows, and an end to what runs in one.

In:  a transport; how to make room where the file server takes a session of its own.
Out: channels, one for each command.
"""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

import paramiko
from paramiko.common import cMSG_CHANNEL_REQUEST

from toolchain.errors import TargetError

ASKED_AGAIN_S = 0.05
LAG_LIMIT_S = 5.0  # how long a server may take to see that a session has ended
KILL_LIMIT_S = 5.0


class Sessions:
    """Opens sessions. A server that allows only so many is asked again once another of ours has ended."""

    def __init__(self, transport: paramiko.Transport, address: str, *, make_room: Callable[[], bool]) -> None:
        self._transport, self._address, self._make_room = transport, address, make_room
        self._changed = threading.Condition()
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

    def _open(self, limit_s: float) -> paramiko.Channel:
        alone_since: float | None = None
        while True:
            try:
                channel = self._transport.open_session(timeout=limit_s)
            except paramiko.ChannelException as refused:
                made = self._make_room()
                with self._changed:
                    if self._count or made:  # their end makes room
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


def kill(transport: paramiko.Transport, channel: paramiko.Channel, leader: int | None) -> None:
    """End a command with all its group: by `kill`, or where no further session opens by a signal of the protocol."""
    with suppress(Exception):  # this is the second fault; the first one is what is told
        if leader is None:
            _signal(transport, channel)
            return
        try:
            killing = transport.open_session(timeout=KILL_LIMIT_S)
        except paramiko.ChannelException:
            _signal(transport, channel)
            return
        try:
            killing.settimeout(KILL_LIMIT_S)
            # without waiting for the server's word, which may never come
            _request(transport, killing, "exec", f"kill -KILL -{leader}")
            killing.status_event.wait(KILL_LIMIT_S)
        finally:
            killing.close()


def _signal(transport: paramiko.Transport, channel: paramiko.Channel) -> None:
    _request(transport, channel, "signal", "KILL")


def _request(transport: paramiko.Transport, channel: paramiko.Channel, kind: str, word: str) -> None:
    """A channel's request that wants no answer; paramiko has no public way to one."""
    message = paramiko.Message()
    message.add_byte(cMSG_CHANNEL_REQUEST)
    message.add_int(channel.remote_chanid)
    message.add_string(kind)
    message.add_boolean(False)
    message.add_string(word)
    transport._send_user_message(message)  # type: ignore[attr-defined]
