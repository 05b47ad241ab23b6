"""Ctrl-C and termination end a command wherever they fall, also inside a library that makes another error of them.

In:  SIGINT and SIGTERM, while the context is open in the main thread.
Out: `Interrupts`, which remembers that one came. What is unwound on the way is each owner's business.
An import, a parser in Rust or a library's own `except` may turn `KeyboardInterrupt` into an error of theirs or swallow
it; so the exit code follows the signal and not the exception, and long work looks again at each step.
"""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

INTERRUPTED = 128 + signal.SIGINT
_open: list["Interrupts"] = []


class Interrupts:
    """The signal that asked this command to end, if one has."""

    def __init__(self) -> None:
        self._number: int | None = None

    @property
    def exit_code(self) -> int | None:
        """130 after Ctrl-C, 143 after SIGTERM, None where nobody asked."""
        return None if self._number is None else 128 + self._number

    def stop(self, number: int, frame: FrameType | None) -> None:
        """Handle a signal: remember it, and unwind the stack."""
        self._number = number
        raise _exception_for(number)

    def check(self) -> None:
        """Unwind the stack again where a signal came and somebody swallowed what it raised."""
        if self._number is not None:
            raise _exception_for(self._number)


def check_interrupted() -> None:
    """Raise what a signal raised before and a library swallowed; long work calls this at each step."""
    for each in _open:
        each.check()


@contextmanager
def interrupts() -> Iterator[Interrupts]:
    """Handle SIGINT and SIGTERM; where SIGINT is ignored, as behind `nohup` and `&`, that stays so."""
    opened = Interrupts()
    if threading.current_thread() is not threading.main_thread():  # signals are the main thread's
        yield opened
        return
    before = {signal.SIGTERM: signal.signal(signal.SIGTERM, opened.stop)}
    if signal.getsignal(signal.SIGINT) is not signal.SIG_IGN:
        before[signal.SIGINT] = signal.signal(signal.SIGINT, opened.stop)
    _open.append(opened)
    try:
        yield opened
    finally:
        _open.remove(opened)
        for number, handler in before.items():
            signal.signal(number, handler)


def _exception_for(number: int) -> BaseException:
    return KeyboardInterrupt() if number == signal.SIGINT else SystemExit(128 + number)
