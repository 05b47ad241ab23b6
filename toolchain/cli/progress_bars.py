"""Progress on standard error: live bars on a terminal, plain lines in a log.

In:  the stages and shares that a `Progress` hears.
Out: an open listener, closed with its context.
"""

import logging
import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.progress import BarColumn, SpinnerColumn, TaskID, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.progress import Progress as Bars

from edgewright.base.plain import one_line
from edgewright.base.progress import Progress, TimeLeft, about
from edgewright.base.redacted import redacted
from edgewright.cli.console import PlainConsole
from edgewright.cli.interrupts import check_interrupted

LINE_EVERY_S = 30.0


@contextmanager
def shown_progress() -> Iterator[Progress]:
    """The listener that suits standard error: bars where a person watches, lines where a log is kept."""
    if not PlainConsole(stderr=True).is_terminal:
        with _told(_line):
            yield LineProgress()
        return
    with _bars() as bars:
        yield BarProgress(bars)


@contextmanager
def shown_devices() -> Iterator[Callable[[str], Progress]]:
    """A listener for each of several devices, by its name: one bar, or lines that begin with the name."""
    if not PlainConsole(stderr=True).is_terminal:
        with _told(_line):
            yield LineProgress
        return
    with _bars() as bars:
        yield lambda name: DeviceBar(bars, name)


@contextmanager
def rare_work_shown() -> Iterator[None]:
    """Only tell of rare long work, such as compiling a runner: for verbs that otherwise answer at once."""
    with _told(_line):
        yield


@contextmanager
def _bars() -> Iterator[Bars]:
    columns = (
        SpinnerColumn(finished_text="✓"),
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.fields[note]}", markup=False),
    )
    # A descriptor of its own: while an exporter chatters, the usual one leads nowhere (see `edgewright.base.quiet`).
    with os.fdopen(os.dup(sys.stderr.fileno()), "w", encoding="utf-8") as own:
        bars = Bars(*columns, console=PlainConsole(file=own, force_terminal=True))
        with bars, _told(lambda text: bars.console.print(text, markup=False)):
            yield bars


@contextmanager
def _told(show: Callable[[str], None]) -> Iterator[None]:
    """Show what our own modules log of rare long work, such as the making of an emulated board's disk."""
    handler = logging.Handler(logging.INFO)
    handler.emit = lambda record: show(redacted(record.getMessage()))  # type: ignore[method-assign]
    loggers = [logging.getLogger("edgewright")]
    for logger in loggers:
        logger.setLevel(logging.INFO)
        logger.addHandler(handler)
    try:
        yield
    finally:
        for logger in loggers:
            logger.removeHandler(handler)


class BarProgress:
    """One bar a stage, under one another."""

    def __init__(self, bars: Bars) -> None:
        self._bars = bars
        self._open: list[TaskID] = []

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Show a bar for the stage; it is ticked off when the stage ends without an error."""
        check_interrupted()
        task = self._bars.add_task(redacted(name), total=None, note="")
        self._open.append(task)
        try:
            yield
            self._bars.update(task, total=1, completed=1)
        finally:
            self._bars.stop_task(task)
            self._open.pop()

    def update(self, done: float, total: float, note: str = "") -> None:
        """Move the innermost stage's bar."""
        check_interrupted()
        if self._open:
            self._bars.update(self._open[-1], completed=done, total=total, note=note)


class DeviceBar:
    """One bar for all that is done on one of several devices; it says which stage that device is in."""

    def __init__(self, bars: Bars, name: str) -> None:
        self._bars = bars
        self._task = bars.add_task(redacted(name), total=None, note="")
        self._open: list[str] = []

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Show the stage behind the bar; the bar stops at a stage that fails."""
        self._open.append(name)
        self._bars.update(self._task, total=None, completed=0, note=name)
        try:
            yield
        except BaseException:
            self._bars.update(self._task, note=f"{name} failed")
            self._bars.stop_task(self._task)
            raise
        finally:
            self._open.pop()

    def update(self, done: float, total: float, note: str = "") -> None:
        """Move the bar."""
        words = " ".join(part for part in (self._open[-1] if self._open else "", note) if part)
        self._bars.update(self._task, completed=done, total=total, note=words)


class LineProgress:
    """A line when a stage begins and ends, and one every half minute in between, with the time left by its pace.

    Of a device, each begins with its name.
    """

    def __init__(self, name: str = "") -> None:
        self._prefix = f"{name}: " if name else ""
        self._open: list[str] = []
        self._left: list[TimeLeft] = []
        self._last_s = 0.0

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Tell when the stage begins, and how long it took when it ends without an error."""
        check_interrupted()
        begun = self._last_s = time.monotonic()
        self._open.append(name)
        self._left.append(TimeLeft())
        _line(f"{self._prefix}{name} …")
        try:
            yield
            _line(f"{self._prefix}{name}: {time.monotonic() - begun:.1f} s")
        except BaseException:
            if self._prefix:  # of several devices the others go on
                _line(f"{self._prefix}{name} failed")
            raise
        finally:
            self._open.pop()
            self._left.pop()

    def update(self, done: float, total: float, note: str = "") -> None:
        """Tell the share that is done and the time that is left, if nothing was shown for a while."""
        check_interrupted()
        if not self._open:
            return
        now, left_s = time.monotonic(), self._left[-1].seconds(done, total)
        if now - self._last_s >= LINE_EVERY_S:
            self._last_s = now
            share = f"{100 * done / total:.0f} %" if total else ""
            left = "" if left_s is None else f", about {about(left_s)} left{',' if note else ''}"
            _line(" ".join(part for part in (f"{self._prefix}{self._open[-1]}:", share + left, note) if part))


def _line(text: str) -> None:
    sys.stderr.write(f"{one_line(redacted(text))}\n")  # at once: those of several devices may come together
    sys.stderr.flush()
