"""What talking with a running command takes, wherever it runs: a deadline, and a bound on what it may print.

In:  chunks of bytes as they arrive; or a process of this machine, and what it is to read.
Out: text, or `TargetError` once a command prints more than `OUTPUT_LIMIT_BYTES`.
"""

import os
import selectors
import subprocess
import time
from collections.abc import Callable
from typing import BinaryIO

from toolchain.errors import TargetError

OUTPUT_LIMIT_BYTES = 16 << 20
CHUNK_BYTES = 1 << 16
WAKES_EVERY_S = 1.0  # so that a thread that waits for a silent program can be interrupted
NOT_FOUND = 127  # what a shell answers for a program that is not there


class Output:
    """Collects what a command prints, up to the limit: endless output must not fill our memory."""

    def __init__(self, place: str, program: str, limit_bytes: int = OUTPUT_LIMIT_BYTES) -> None:
        self._place, self._program, self._limit = place, program, limit_bytes
        self._chunks: list[bytes] = []
        self._size = 0

    def add(self, chunk: bytes) -> None:
        """Keep a chunk. Raises `TargetError` at the limit."""
        self._size += len(chunk)
        if self._size > self._limit:
            raise TargetError(
                f"{self._program} on {self._place} printed more than {self._limit >> 20} MiB and was stopped; "
                "send its output to a file on the device instead"
            )
        self._chunks.append(chunk)

    def text(self) -> str:
        """All of it, with what is not UTF-8 replaced."""
        return b"".join(self._chunks).decode("utf-8", "replace")


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
    stall_limit_s: float | None = None,
) -> None:
    """Feed a process of this machine, hear what it prints, and wait for its end.

    Raises `TimeoutError` at the deadline, or where for so long it has neither read anything nor printed, while there is
    more for it to read.
    """
    assert process.stdin is not None
    assert process.stdout is not None
    assert process.stderr is not None
    os.set_blocking(process.stdin.fileno(), False)
    pending, heard_s = source.read(CHUNK_BYTES), time.monotonic()
    with selectors.DefaultSelector() as ready:
        ready.register(process.stdout, selectors.EVENT_READ, out)
        ready.register(process.stderr, selectors.EVENT_READ, err)
        ready.register(process.stdin, selectors.EVENT_WRITE)
        while ready.get_map():
            for key, _ in ready.select(min(deadline.left_s(), WAKES_EVERY_S)):
                heard_s = time.monotonic()
                if key.data is not None:
                    chunk = os.read(key.fd, CHUNK_BYTES)
                    key.data(chunk)
                    more = bool(chunk)
                else:
                    more = (pending := _write_some(key.fd, pending, source)) != b""
                if not more:
                    ready.unregister(key.fileobj)
                    if key.data is None:
                        process.stdin.close()
            stalled = stall_limit_s is not None and pending and time.monotonic() - heard_s > stall_limit_s
            if deadline.passed() or stalled:
                raise TimeoutError("nothing moved for too long" if stalled else "its time was up")
    try:
        process.wait(deadline.left_s())
    except subprocess.TimeoutExpired:
        raise TimeoutError("its time was up") from None


def _write_some(fd: int, pending: bytes, source: BinaryIO) -> bytes:
    """Write what the pipe takes; what is left to write, nothing when that was all or the reader has gone."""
    try:
        return (pending[os.write(fd, pending) :] if pending else b"") or source.read(CHUNK_BYTES)
    except BrokenPipeError:
        return b""
