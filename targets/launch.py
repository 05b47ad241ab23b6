"""Start a command on another machine so that all of it can be ended from here.

In:  argument lists, for a POSIX shell there to start through `LAUNCH`.
Out: `Leader`, which takes the command's process number out of what it prints: that is its process group's, too.
"""

import shlex
from collections.abc import Callable

MARK = "@edgewright-pid"
EARLY_LIMIT_BYTES = 1 << 16
LARGEST_SIGNAL = 64

# Makes the command the leader of its process group and tells its number, so that all of it can be killed later.
# The server usually gives every command a session; where it does not, setsid does.
_TOLD = f'echo "{MARK} $$"; "$@"; exit $?'
_LAUNCH = (
    "read -r _ _ _ _ group _ 2>/dev/null </proc/$$/stat\n"
    f"""[ "$group" = $$ ] || ! command -v setsid >/dev/null || exec setsid sh -c {shlex.quote(_TOLD)} sh "$@"\n"""
    f"{_TOLD}"
)


def launched(*argv: str) -> str:
    """The command line, for a shell to read, that starts a program with these exact arguments."""
    return shlex.join(["sh", "-c", _LAUNCH, "sh", *argv])


def ended(status: int) -> int:
    """A shell's status as ours: what a signal ended is the negative of its number."""
    return 128 - status if 128 < status <= 128 + LARGEST_SIGNAL else status


class Leader:
    """Takes the line that tells a command's process number out of its output, and passes on the rest."""

    def __init__(self, sink: Callable[[bytes], object]) -> None:
        self.pid: int | None = None
        self._sink = sink
        self._early = b""

    def add(self, chunk: bytes) -> None:
        """Take what was printed."""
        if self.pid is not None:
            self._sink(chunk)
            return
        # before the mark there is only what a login shell's start-up files print
        self._early = (self._early + chunk)[-EARLY_LIMIT_BYTES:]
        start = self._early.find(MARK.encode())
        end = self._early.find(b"\n", start)
        if start >= 0 and end >= 0:
            self.pid = int(self._early[start + len(MARK) : end])
            self._sink(self._early[end + 1 :])
            self._early = b""
