"""What both ends of a running command have in common: a deadline and a bound on what it may print.

In:  chunks of bytes as they arrive.
Out: text, or `TargetError` once a command prints more than `OUTPUT_LIMIT_BYTES`.
"""

import time

from toolchain.errors import TargetError

OUTPUT_LIMIT_BYTES = 16 << 20
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
