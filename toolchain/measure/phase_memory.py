"""The resident memory of a runner's phases: what one process says of each, and the highest of several processes.

In:  what runners print of memory, phase by phase.
Out: for each phase its kinds of memory in bytes. What the kernel does not tell is not there.
"""

from collections.abc import Iterable, Mapping

from pydantic import BaseModel, ConfigDict

from edgewright.base.plausible import Bytes

Phases = Mapping[str, Mapping[str, int]]


class ResidentMemory(BaseModel):
    """Resident memory at the end of a phase, what of it no file stands behind, and the highest within the phase.

    In bytes; -1 where the kernel does not tell.
    """

    model_config = ConfigDict(frozen=True, strict=True, extra="ignore")

    phase: str
    rss_bytes: Bytes
    anonymous_bytes: Bytes
    file_bytes: Bytes
    peak_bytes: Bytes


def highest(memory: Iterable[ResidentMemory]) -> Phases:
    """The highest of each kind for each phase, in the order in which the phases come."""
    by_phase: dict[str, dict[str, int]] = {}
    for phase in memory:
        kinds = by_phase.setdefault(phase.phase, {})
        for name in ("rss_bytes", "anonymous_bytes", "file_bytes", "peak_bytes"):
            if (value := getattr(phase, name)) >= 0:
                kinds[name] = max(value, kinds.get(name, 0))
    return by_phase
