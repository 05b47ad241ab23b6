"""What talking with a running command takes, wherever it runs: a deadline, and bounds on standstill and on output.

In:  chunks of bytes as they arrive; or a process of this machine, and what it is to read.
Out: text, or `TargetError` once a command prints more than `OUTPUT_LIMIT_BYTES`, or a copy more than it may bring.
"""

import os
import selectors
import subprocess
import time
from collections.abc import Callable, Iterable
from typing import BinaryIO

from edgewright.errors import TargetError, TransferError

OUTPUT_LIMIT_BYTES = 16 << 20
CHUNK_BYTES = 1 << 16
WAKES_EVERY_S = 1.0  # so that a thread that waits for a silent program can be interrupted
STALL_LIMIT_S = 60.0  # how long nothing, or next to nothing, may move where something should
LEAST_MOVED_BYTES = 1024  # in that time; less is a drip that would hold us for days
GET_LIMIT_BYTES = 1 << 30  # what a copy from a device may bring where nobody knows how much it should be
SHOWN_SIGNS = 200
NOT_FOUND = 127  # what a shell answers for a program that is not there


OnOutput = Callable[[bytes], object]
"""Hears what a program prints, as it arrives."""


class Output:
    """Collects what a command prints, up to the limit: endless output must not fill our memory."""

    def __init__(
        self, place: str, program: str, limit_bytes: int = OUTPUT_LIMIT_BYTES, *, on_output: OnOutput | None = None
    ) -> None:
        self._place, self._program, self._limit = place, program, limit_bytes
        self._on_output = on_output
        self._chunks: list[bytes] = []
        self._size = 0

    def add(self, chunk: bytes) -> None:
        """Keep a chunk, and let who wants to hear of it. Raises `TargetError` at the limit."""
        self._size += len(chunk)
        if self._size > self._limit:
            raise TargetError(
                f"{self._program} on {self._place} printed more than {self._limit >> 20} MiB and was stopped; "
                "send its output to a file on the device instead"
            )
        self._chunks.append(chunk)
        if self._on_output is not None and chunk:
            self._on_output(chunk)

    def text(self) -> str:
        """All of it, with what is not UTF-8 replaced."""
        return b"".join(self._chunks).decode("utf-8", "replace")


class Received:
    """Hands on what a copy brings, up to the size that was asked for: a device's word is no bound."""

    def __init__(self, place: str, name: str, sink: Callable[[bytes], object], limit_bytes: int) -> None:
        self._place, self._name, self._sink, self._limit = place, name, sink, limit_bytes
        self.size = 0

    def add(self, chunk: bytes) -> None:
        """Hand on a chunk. Raises `TransferError` beyond the limit."""
        self.size += len(chunk)
        self.expect(self.size)
        self._sink(chunk)

    def expect(self, size: int) -> None:
        """Raise `TransferError` where so much is more than may come."""
        if size > self._limit:
            raise TransferError(
                f"{self._place}: {self._name} is larger there than the {self._limit / 1e6:.6g} MB that were asked for "
                f"({size / 1e6:.6g} MB), so it was not copied; look at that file on the device"
            )


class Stall:
    """Tells when a conversation stands still: next to nothing moved, either way, for as long as the limit."""

    def __init__(self, limit_s: float) -> None:
        self.limit_s = limit_s
        self.rest()

    def moved(self, count: int) -> None:
        """So many bytes went or came."""
        self._moved += count
        if self._moved >= LEAST_MOVED_BYTES:
            self.rest()

    def rest(self) -> None:
        """Begin to watch anew: something has moved, or nothing needs to."""
        self._moved, self._since = 0, time.monotonic()

    def stands(self) -> bool:
        """Whether it stood still for too long."""
        return time.monotonic() - self._since > self.limit_s

    def reason(self) -> str:
        """What to say of it."""
        return f"{self._moved or 'no'} byte{'' if self._moved == 1 else 's'} moved in {self.limit_s:g} s"


def last_line(text: str) -> str:
    """The last line of what a program said, without signs that a terminal would obey, and not too long."""
    return _shown_line(reversed(text[-OUTPUT_LIMIT_BYTES:].splitlines()))


def first_line(text: str) -> str:
    """The first line of what a program said, in the same way."""
    return _shown_line(text[:OUTPUT_LIMIT_BYTES].splitlines())


def _shown_line(lines: Iterable[str]) -> str:
    chosen = next((line for line in lines if line.strip()), "").strip()
    return "".join(sign if sign.isprintable() else "?" for sign in chosen)[:SHOWN_SIGNS]


class Deadline:
    """A moment by which something must have ended."""

    def __init__(self, limit_s: float) -> None:
        self.limit_s = limit_s
        self._end = time.monotonic() + limit_s

    def left_s(self) -> float:
        """Seconds left, never negative."""
        return max(0.0, self._end - time.monotonic())

    def passed(self) -> bool:
        """Whether the moment has come."""
        return time.monotonic() >= self._end


def attend(
    process: subprocess.Popen[bytes],
    deadline: Deadline,
    source: BinaryIO,
    out: Callable[[bytes], object],
    err: Callable[[bytes], object],
    *,
    stall: Stall | None = None,
    copies: bool = False,
) -> None:
    """Feed a process of this machine, hear what it prints, and wait for its end.

    Raises `TimeoutError` at the deadline, or where it neither reads nor prints for as long as `stall` allows, while
    there is more for it to read; of one that `copies`, whether there is or not.
    """
    assert process.stdin is not None
    assert process.stdout is not None
    assert process.stderr is not None
    os.set_blocking(process.stdin.fileno(), False)
    pending = source.read(CHUNK_BYTES)
    with selectors.DefaultSelector() as ready:
        ready.register(process.stdout, selectors.EVENT_READ, out)
        ready.register(process.stderr, selectors.EVENT_READ, err)
        ready.register(process.stdin, selectors.EVENT_WRITE)
        while ready.get_map():
            for key, _ in ready.select(min(deadline.left_s(), WAKES_EVERY_S)):
                if key.data is not None:
                    chunk = os.read(key.fd, CHUNK_BYTES)
                    key.data(chunk)
                    more, moved = bool(chunk), len(chunk)
                else:
                    moved, pending = _write_some(key.fd, pending, source)
                    more = pending != b""
                if stall is not None:
                    stall.moved(moved)
                if not more:
                    ready.unregister(key.fileobj)
                    if key.data is None:
                        process.stdin.close()
            if stall is not None and not (pending or copies):
                stall.rest()
            if deadline.passed():
                raise TimeoutError("its time was up")
            if stall is not None and stall.stands():
                raise TimeoutError(stall.reason())
    try:
        process.wait(deadline.left_s())
    except subprocess.TimeoutExpired:
        raise TimeoutError("its time was up") from None


def _write_some(fd: int, pending: bytes, source: BinaryIO) -> tuple[int, bytes]:
    """Write what the pipe takes; how much, and what is left: nothing when that was all or the reader has gone."""
    try:
        written = os.write(fd, pending) if pending else 0
        return written, pending[written:] or source.read(CHUNK_BYTES)
    except BrokenPipeError:
        return 0, b""
