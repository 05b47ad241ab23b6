"""The documents that runners print, and what each of their fields can be.

In:  JSON of a device, which is never trusted.
Out: frozen values, or pydantic's `ValidationError` with the place of a fault.
Which document is expected, and what is wrong with one that is none, is `results`' concern.
"""

import base64
import binascii
import math
from typing import Annotated, Literal, Self

import numpy as np
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, FiniteFloat, model_validator

from edgewright.base.plausible import (
    MOST_BYTES,
    ClockDifference,
    GigabytesPerSecond,
    Kilohertz,
    Millidegrees,
    Milliseconds,
    Peak,
    PlausibleCount,
    Seconds,
    Threads,
    ToldJoules,
)
from edgewright.measure.phase_memory import ResidentMemory
from edgewright.specs.profiles import Runtime
from edgewright.specs.signature import Array, DType


class RunnerDocument(BaseModel):
    """What a runner prints; what a newer one says beside it is not read."""

    model_config = ConfigDict(frozen=True, strict=True, extra="ignore")


class _Kept(BaseModel):
    """As above, and read again out of documents that were kept, whose lists are no tuples."""

    model_config = ConfigDict(frozen=True, extra="ignore")


def decoded(text: object) -> object:
    """The bytes of a text in base64; what is no text as it is. Raises `ValueError`."""
    if not isinstance(text, str):
        return text
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise ValueError("is no base64") from None


class NamedOutput(RunnerDocument):
    """One output tensor of a call: its numbers are finite, and as many as its shape has."""

    name: Annotated[str, Field(max_length=300)]
    dtype: DType
    shape: Annotated[tuple[Annotated[int, Field(ge=0, le=1 << 31)], ...], Field(max_length=16)]
    data: Annotated[bytes, BeforeValidator(decoded)]

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        wanted = math.prod(self.shape) * np.dtype(self.dtype).itemsize
        if len(self.data) != wanted:
            raise ValueError(f"{len(self.data)} bytes are no {self.dtype} of {list(self.shape)}")
        if not np.isfinite(self.array).all():
            raise ValueError("a number is not finite")
        return self

    @property
    def array(self) -> Array:
        """The numbers in their shape; read only."""
        return np.frombuffer(self.data, dtype=np.dtype(self.dtype).newbyteorder("<")).reshape(self.shape)


Outputs = tuple[tuple[NamedOutput, ...], ...]
"""Those of each call."""


def by_name(outputs: Outputs) -> tuple[dict[str, Array], ...]:
    """The arrays of each call by their names."""
    return tuple({each.name: each.array for each in call} for call in outputs)


class OperatorTime(RunnerDocument):
    """What one kind of operator takes of an inference: calls and ms. `delegated` is a part of a delegate."""

    name: Annotated[str, Field(max_length=400)]
    delegated: bool
    calls: PlausibleCount
    ms: Milliseconds


class CopyBandwidth(RunnerDocument):
    """What the native runner says of memory: 10⁹ bytes copied a second by one core, and how large the block was."""

    schema_: Literal[2] = Field(alias="schema")
    copy_gb_s: Annotated[list[GigabytesPerSecond], Field(min_length=1)]
    block_bytes: Annotated[int, Field(gt=0, le=MOST_BYTES)]


class PhaseMemory(ResidentMemory):
    """Of a runner that infers; "first" is the first inference."""

    phase: Literal["start", "loaded", "first", "steady"]


class MachineState(_Kept):
    """The machine at one moment of the sampling, `s` seconds after its start; None is what it does not report.

    Clock and temperature are the highest of all cores and zones; one that cannot be was not reported. `throttled` is a
    Raspberry Pi's word, in hex.
    """

    s: Seconds
    clock_khz: Kilohertz = None
    temperature_mc: Millidegrees = None
    throttled: Annotated[str, Field(max_length=40, pattern="^(0x)?[0-9a-fA-F]{1,16}$")] | None = None


class SourceEnergy(_Kept):
    """What a meter of the machine, such as a rail or the processor's package, counted while samples were taken."""

    source: Annotated[str, Field(max_length=100)]
    joules: FiniteFloat


class Sampling(_Kept):
    """The time in which samples were taken: whose processor time it was, and how the machine was doing.

    `own_cpu_s` is the runner's, `all_cpu_s` everybody's, `steal_s` what the machine's own host took; None is what the
    kernel does not tell. `preemptions` are the times another program was let in; `suspended_s` is sleep.
    """

    seconds: Seconds
    own_cpu_s: Seconds
    all_cpu_s: ClockDifference | None = None
    steal_s: ClockDifference | None = None
    preemptions: PlausibleCount = 0
    suspended_s: Seconds = 0.0
    states: tuple[MachineState, ...] = ()
    energy: Annotated[tuple[SourceEnergy, ...], ToldJoules] = ()


class RunnerResult(RunnerDocument):
    """One process of a runner: it loaded an artifact, made each call once, then sampled. Times in ms.

    `operators` and `profiled_ms`, the whole inference while one looks, are there where a profile was asked for and the
    runtime tells; `sampling` where samples were taken.
    """

    schema_: Literal[2] = Field(alias="schema")
    runtime: Runtime
    runtime_version: Annotated[str, Field(max_length=100)]
    sha256: str
    threads: Threads
    load_ms: Milliseconds
    first_inference_ms: Milliseconds
    latency_ms: tuple[Milliseconds, ...]
    outputs: Outputs
    peak_rss_bytes: Peak
    memory: tuple[PhaseMemory, ...]
    sampling: Sampling | None = None
    operators: tuple[OperatorTime, ...] = ()
    profiled_ms: Milliseconds | None = None

    @property
    def arrays(self) -> tuple[dict[str, Array], ...]:
        """The outputs of each call by their names."""
        return by_name(self.outputs)


class ReadyRunner(RunnerDocument):
    """What a runner that stays says first: which artifact it holds."""

    schema_: Literal[2] = Field(alias="schema")
    ready: Literal[True]
    runtime: Runtime
    sha256: str


class Answers(RunnerDocument):
    """The outputs of the calls that a runner that stays was asked for in one line."""

    schema_: Literal[2] = Field(alias="schema")
    outputs: Outputs


class RunnerFault(RunnerDocument):
    """What a runner says of its failure; `kind` is one of device_scripts/runner/fault.hpp."""

    kind: Annotated[str, Field(max_length=40)]
    message: Annotated[str, Field(max_length=20_000)]


class FailedRunner(RunnerDocument):
    """What a runner prints in place of a result."""

    error: RunnerFault
