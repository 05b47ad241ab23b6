"""How an artifact is measured, and where it and its runtime lie on a target.

In:  nothing but numbers and places.
Out: `Protocol` and `RunOptions`, which `measuring` goes by; `RemoteArtifact` and `RemoteRuntime`, which `deploy` fills.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Self

from edgewright.runtimes.device import DeviceRuntime
from edgewright.specs.profiles import Clock
from edgewright.specs.signature import Tensor

START_LIMIT_S = 120.0  # for starting, hashing and loading on a slow card
EMULATION_FACTOR = 15  # how much longer than its own clock says an emulated machine may take


@dataclass(frozen=True, kw_only=True)
class Protocol:
    """How a measurement is taken. Each of `restarts` processes warms up for at least `warmup_runs` and `warmup_s`.

    It then takes at least `samples` and samples for `min_seconds`, in whole passes over the calls, at least three
    of them; `max_seconds` ends it early. Seconds are the target's. As long as the interval of the latency reaches
    further than the share `precision` of it there are further processes, `extra_restarts` at most. Before all of them
    the machine may take `settle_s` to come to rest, and with `cold` one process more loads the artifact from storage.
    """

    restarts: int = 7
    warmup_runs: int = 10
    warmup_s: float = 1.0
    samples: int = 100
    min_seconds: float = 1.5
    max_seconds: float = 20.0
    precision: float = 0.01
    extra_restarts: int = 0
    settle_s: float = 0.0
    cold: bool = False

    @classmethod
    def thorough(cls) -> Self:
        """What a number to be believed takes: about half a minute."""
        return cls(extra_restarts=8, settle_s=30.0, cold=True)

    @classmethod
    def quick(cls) -> Self:
        """For comparing during development: a few seconds in all."""
        return cls(restarts=3, warmup_runs=5, warmup_s=0.1, samples=50, min_seconds=0.2, max_seconds=5.0, settle_s=2.0)

    @classmethod
    def instructions(cls) -> Self:
        """For a clock that counts instructions, which repeats by itself and runs slowly."""
        return cls(restarts=1, warmup_runs=2, warmup_s=0.0, samples=20, min_seconds=0.0, max_seconds=8.0)

    @classmethod
    def outputs_only(cls) -> Self:
        """Each call once, and no samples."""
        return cls(restarts=1, warmup_runs=0, warmup_s=0.0, samples=0, min_seconds=0.0, max_seconds=0.0)

    @classmethod
    def for_clock(cls, clock: Clock, *, quick: bool = False) -> Self:
        """The protocol to use unless someone has a reason for another."""
        if clock == "instructions":
            return cls.instructions()
        return cls.quick() if quick else cls.thorough()

    def limit_s(self, emulated: bool) -> float:
        """How long one process may take by this machine's clock."""
        asked = self.warmup_s + self.max_seconds
        return START_LIMIT_S * (2 if emulated else 1) + asked * (EMULATION_FACTOR if emulated else 2)


@dataclass(frozen=True, kw_only=True)
class RunOptions:
    """How an artifact is run: by so many threads, on these cores of the target where any are given.

    Each call holds a `batch` of examples, which a throughput is reckoned from. With `profile` a process also tells the
    time of its operators. `etdump` is where an ETDump of it is brought.
    """

    threads: int = 1
    batch: int = 1
    cores: tuple[int, ...] = ()
    profile: bool = False
    etdump: Path | None = None


AS_USUAL = RunOptions()


@dataclass(frozen=True, kw_only=True)
class RemoteArtifact:
    """An artifact that lies on a target. `state` are the tensors that live between its calls.

    A smaller one may lie beside it, the `draft`.
    """

    path: PurePosixPath
    sha256: str
    size_bytes: int
    state: tuple[Tensor, ...] = ()
    draft: RemoteArtifact | None = None


@dataclass(frozen=True, kw_only=True)
class RemoteRuntime:
    """A runtime whose files were pushed to a directory of a target."""

    runtime: DeviceRuntime
    directory: PurePosixPath
