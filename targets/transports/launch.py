"""Start a command on another machine so that all of it can be ended from here.

In:  argument lists, for a POSIX shell there to start through `LAUNCH`.
Out: `Leader`, which takes the command's process number out of what it prints: that is its process group's, too.
"""

import re
import shlex
import string
from collections.abc import Callable

from edgewright.errors import TargetError
from edgewright.targets.transports.conversation import OUTPUT_LIMIT_BYTES, last_line

MARK = "@edgewright-pid"
LINE_LIMIT_BYTES = 1 << 16
LARGEST_PID = 1 << 22  # of Linux
LARGEST_SIGNAL = 64
PLAIN_SIGNS = frozenset(string.ascii_letters + string.digits + " _./=:,+-")

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


def for_any_shell(line: str) -> str:
    """A POSIX shell's command line as one that any login shell reads alike, csh and fish too.

    Those end quotes at other signs, and csh at a line's end; so all signs but plain ones go as `printf` writes them.
    """
    plain = "".join(chr(byte) if chr(byte) in PLAIN_SIGNS else f"\\{byte:03o}" for byte in line.encode())
    return f"""exec sh -c 'eval "exec $(printf "$0")"' '{plain}'"""


def ended(status: int) -> int:
    """A shell's status as ours: what a signal ended is the negative of its number."""
    return 128 - status if 128 < status <= 128 + LARGEST_SIGNAL else status


class Leader:
    """Takes the line that tells a command's process number out of its output, and passes on the rest."""

    def __init__(self, place: str, program: str, sink: Callable[[bytes], object]) -> None:
        self.pid: int | None = None
        self._place, self._program, self._sink = place, program, sink
        self._early, self._noise = b"", 0

    def add(self, chunk: bytes) -> None:
        """Take what was printed. Raises `TargetError` for endless noise before the mark, or a number that is none."""
        if self.pid is not None:
            self._sink(chunk)
            return
        # before the mark there is only what a login shell's start-up files print
        self._noise += len(chunk)
        if self._noise > OUTPUT_LIMIT_BYTES:
            raise TargetError(
                f"{self._place}: the login shell there printed more than {OUTPUT_LIMIT_BYTES >> 20} MiB before it ran "
                f"{self._program}; look at its start-up files, such as ~/.bashrc"
            )
        self._early = (self._early + chunk)[-LINE_LIMIT_BYTES - len(chunk) :]
        start = self._early.find(MARK.encode())
        end = self._early.find(b"\n", start)
        if start >= 0 and (end >= 0 or len(self._early) - start > LINE_LIMIT_BYTES):
            self.pid = self._read(self._early[start + len(MARK) : max(start, end)])
            self._sink(self._early[end + 1 :])
            self._early = b""

    def check(self, status: int, err: str) -> None:
        """Raise `TargetError` where a command has ended and was never begun: the login shell did something else."""
        if self.pid is not None:
            return
        printed = last_line(f"{self._early.decode('utf-8', 'replace')}\n{err}")
        raise TargetError(
            f"{self._place}: the login shell there did not run {self._program} but ended with status {status} and "
            f"{f'printed {printed!r}' if printed else 'printed nothing'}; check that the account may log in, and that "
            "no start-up file of its shell, such as ~/.bashrc, starts another one or ends"
        )

    def _read(self, printed: bytes) -> int:
        number = re.fullmatch(rb"\s+(\d{1,10})\s*", printed[:LINE_LIMIT_BYTES])
        if number is None or not 1 < int(number[1]) <= LARGEST_PID:
            shown = last_line(printed.decode("utf-8", "replace"))
            raise TargetError(
                f"{self._place}: the process number of {self._program} came back as {shown!r}; "
                "look at what the login shell there does with what it is given"
            )
        return int(number[1])
