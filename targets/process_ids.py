"""A process that is distinguished from a later one of the same number, so that none but ours is ever killed.

In:  a process's number.
Out: `Process`: its number, when it started, and in which run of this machine's kernel.
"""

from __future__ import annotations

import os
import select
import signal
from dataclasses import dataclass
from pathlib import Path

BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
ENDS_WITHIN_MS = 10_000


@dataclass(frozen=True, kw_only=True)
class Process:
    """A process of this machine; `started` counts the kernel's clock ticks from its start."""

    pid: int
    started: int
    boot: str

    @classmethod
    def of(cls, pid: int) -> Process | None:
        """The process that has this number now, None where it has ended, also when nobody has asked for its status."""
        try:
            fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        except (FileNotFoundError, ProcessLookupError):
            return None
        if fields[0] in ("Z", "X"):
            return None
        return cls(pid=pid, started=int(fields[19]), boot=BOOT_ID.read_text().strip())

    def lives(self) -> bool:
        """Whether it runs still."""
        return Process.of(self.pid) == self

    def kill(self) -> None:
        """End it and wait for that; do nothing where it has ended, or its number is another's by now."""
        if not self.lives():
            return
        try:
            handle = os.pidfd_open(self.pid)
        except ProcessLookupError:
            return
        try:
            if not self.lives():  # once more with the handle in hand, which from here on stands for no other process
                return
            signal.pidfd_send_signal(handle, signal.SIGKILL)
            waiting = select.poll()
            waiting.register(handle, select.POLLIN)
            waiting.poll(ENDS_WITHIN_MS)
        finally:
            os.close(handle)


ENDED = Process(pid=-1, started=0, boot="")  # stands for one that had ended before it was looked at
