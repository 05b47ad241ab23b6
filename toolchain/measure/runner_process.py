"""One process of a runner as a measurement reads it, whatever the artifact was asked there.

In:  nothing.
Out: the interface `RunnerProcess`: `runner_documents.RunnerResult` is one, and `generation_process.GenerationProcess`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

from edgewright.measure.phase_memory import ResidentMemory
from edgewright.measure.runner_documents import OperatorTime, Sampling
from edgewright.specs.signature import Array


class RunnerProcess(Protocol):
    """What a process took, in ms and bytes, and what it gave.

    `outputs` are compared with another process's for equality alone; `arrays` are those of each call by name.
    """

    @property
    def runtime_version(self) -> str: ...  # noqa: D102
    @property
    def threads(self) -> int: ...  # noqa: D102
    @property
    def load_ms(self) -> float: ...  # noqa: D102
    @property
    def first_inference_ms(self) -> float: ...  # noqa: D102
    @property
    def latency_ms(self) -> Sequence[float]: ...  # noqa: D102
    @property
    def outputs(self) -> object: ...  # noqa: D102
    @property
    def arrays(self) -> tuple[Mapping[str, Array], ...]: ...  # noqa: D102
    @property
    def peak_rss_bytes(self) -> int: ...  # noqa: D102
    @property
    def memory(self) -> Sequence[ResidentMemory]: ...  # noqa: D102
    @property
    def sampling(self) -> Sampling | None: ...  # noqa: D102
    @property
    def operators(self) -> tuple[OperatorTime, ...]: ...  # noqa: D102
    @property
    def profiled_ms(self) -> float | None: ...  # noqa: D102
