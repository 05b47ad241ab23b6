"""How a program is scheduled on a board whose clock counts instructions, so that nothing else is counted with it.

In:  a command of one thread.
Out: the command that runs it with the core to itself.
"""

from collections.abc import Sequence

# Writing back what was pushed is done before, so that no file of the board waits for it; whoever is timed then has the
# core until he ends or waits, and no kernel's worker and no sshd comes between. One that never ends is ended.
_UNDISTURBED = """
sync
if chrt --fifo --pid 1 $$ >/dev/null 2>&1; then prlimit --pid $$ --rttime="$1" >/dev/null 2>&1; fi
shift
exec "$@"
"""


def undisturbed(argv: Sequence[str], *, limit_s: float) -> tuple[str, ...]:
    """The command that runs a program of one thread on a board whose clock counts instructions, and nothing beside it.

    It may run for so many of the board's seconds. Where its user may not have that, it runs as any other.
    """
    microseconds = round(limit_s * 1e6)
    return ("sh", "-c", _UNDISTURBED, "sh", str(microseconds), *argv)
