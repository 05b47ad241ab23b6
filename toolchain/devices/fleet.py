"""Measure one bundle on several machines at once; what goes wrong on one of them stops none of the others.

In:  a bundle, machines, how many of them at a time.
Out: an `DeviceOutcome` for each machine, in their order: a result, or the error that ended it.
What happens on each machine is `benchmark`'s concern.
"""

from __future__ import annotations

import ctypes
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import count
from pathlib import Path

from typing_extensions import Unpack

from edgewright.base.json_values import JsonObject
from edgewright.base.progress import Progress, Silent
from edgewright.base.redacted import redacted
from edgewright.bundles.bundle import Bundle
from edgewright.devices.benchmark import BenchOptions, BenchResult, bench
from edgewright.devices.inventory import NamedTarget
from edgewright.errors import ToolchainError

MISSED = 1
JOBS = 4  # devices do the measuring; what this machine does for each is little, but emulated boards are its own work


@dataclass(frozen=True, kw_only=True)
class DeviceOutcome:
    """What became of one machine: a result or an error, never both."""

    machine: NamedTarget
    result: BenchResult | None = None
    error: Exception | None = None

    @property
    def exit_code(self) -> int:
        """What `edgewright bench` would have ended with, had this been the only machine."""
        if self.result is not None:
            return 0 if self.result.verdict.met else MISSED
        return self.error.exit_code if isinstance(self.error, ToolchainError) else ToolchainError.exit_code

    def document(self) -> JsonObject:
        """Its part of `edgewright bench --target GROUP --json`."""
        about: JsonObject = {"name": self.machine.name, "address": self.machine.address, "exit_code": self.exit_code}
        if self.result is not None:
            return {**about, "measurement": self.result.summary()}
        return {**about, "error": {"kind": type(self.error).__name__, "message": redacted(str(self.error))}}


def bench_all(
    bundle: str | Path,
    machines: Sequence[NamedTarget],
    *,
    jobs: int = JOBS,
    listener: Callable[[NamedTarget], Progress] = lambda machine: Silent(),
    **how: Unpack[BenchOptions],
) -> tuple[DeviceOutcome, ...]:
    """Measure on every machine as `bench` does with these options, `jobs` of them at a time.

    Raises `InputError` for the bundle before any machine is reached. An interruption ends all of them as it would end
    one: nothing of ours goes on running there.
    """
    opened = Bundle.open(bundle)
    opened.artifact(how.get("runtime"))
    outcomes: dict[int, DeviceOutcome] = {}
    places, stopped = count(), threading.Event()

    def work(ended: threading.Event) -> None:
        try:
            while not stopped.is_set() and (place := next(places)) < len(machines):
                outcomes[place] = _outcome(opened, machines[place], listener, **how)
        except KeyboardInterrupt:  # `_interrupt`'s
            return
        finally:
            ended.set()

    ends = [threading.Event() for _ in range(jobs)]
    workers = [threading.Thread(target=work, args=(end,), name="edgewright-bench", daemon=True) for end in ends]
    for worker in workers:
        worker.start()
    try:
        _wait_for(ends)
    except BaseException:
        stopped.set()
        for worker in workers:
            _interrupt(worker)
        _wait_for(ends)
        raise
    return tuple(outcomes[place] for place in range(len(machines)))


def _outcome(
    bundle: Bundle, machine: NamedTarget, listener: Callable[[NamedTarget], Progress], **how: Unpack[BenchOptions]
) -> DeviceOutcome:
    try:
        return DeviceOutcome(machine=machine, result=bench(bundle, machine.address, progress=listener(machine), **how))
    except Exception as error:  # a fault of ours on one machine is no reason to lose the others' results
        return DeviceOutcome(machine=machine, error=error)


def _wait_for(ends: Sequence[threading.Event]) -> None:
    """Not by `join`: Python takes a thread for ended whose join was interrupted."""
    for end in ends:
        while not end.wait(0.2):  # with a limit, so that an interruption is noticed
            pass


def _interrupt(worker: threading.Thread) -> None:
    """Raise KeyboardInterrupt in a thread, as Ctrl-C does in the main one, so that it stops what it started."""
    if worker.ident is not None:
        kind = ctypes.py_object(KeyboardInterrupt)
        ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(worker.ident), kind)
