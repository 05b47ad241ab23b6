"""Read what a runner printed; a runner may have been killed, and its output is never trusted.

In:  a `Completed` command whose program was a runner, and what it was asked to do.
Out: a validated `RunnerResult`, or a `TargetError` that says in one sentence what happened on the device.
Which feature of a core an unknown instruction belongs to is `instructions`' concern.
"""

import base64
import binascii
import math
import re
import signal
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal, Self, TypeVar

import numpy as np
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, FiniteFloat, ValidationError, model_validator

from edgewright.base.plausible import (
    MOST_BYTES,
    Bytes,
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
from edgewright.base.untrusted import int_or_none, parse_json
from edgewright.errors import RunnerError, TransferError
from edgewright.measure.instructions import missing_feature, unknown_instruction
from edgewright.specs.profiles import Runtime
from edgewright.specs.signature import Array, DType
from edgewright.targets.base import Completed

LARGEST_RESULT = 64 << 20
SHOWN = 300
MEMORY_LINE = "edgewright-memory"  # what a runner tells of its memory on standard error, phase by phase
PHASES = {
    "start": "before the model was loaded",
    "loaded": "once the model was loaded",
    "first": "once every call was made",
    "steady": "after the last sample",
}

Document = TypeVar("Document", bound=BaseModel)


class _Read(BaseModel):
    model_config = ConfigDict(frozen=True, strict=True, extra="ignore")


class _Kept(BaseModel):
    """As above, and read again out of documents that were kept, whose lists are no tuples."""

    model_config = ConfigDict(frozen=True, extra="ignore")


def _decoded(text: object) -> object:
    if not isinstance(text, str):
        return text
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise ValueError("is no base64") from None


class NamedOutput(_Read):
    """One output tensor of a call: its numbers are finite, and as many as its shape has."""

    name: Annotated[str, Field(max_length=300)]
    dtype: DType
    shape: Annotated[tuple[Annotated[int, Field(ge=0, le=1 << 31)], ...], Field(max_length=16)]
    data: Annotated[bytes, BeforeValidator(_decoded)]

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


class OperatorTime(_Read):
    """What one kind of operator takes of an inference: calls and ms. `delegated` is a part of a delegate."""

    name: Annotated[str, Field(max_length=400)]
    delegated: bool
    calls: PlausibleCount
    ms: Milliseconds


class CopyBandwidth(_Read):
    """What the native runner says of memory: 10⁹ bytes copied a second by one core, and how large the block was."""

    schema_: Literal[2] = Field(alias="schema")
    copy_gb_s: Annotated[list[GigabytesPerSecond], Field(min_length=1)]
    block_bytes: Annotated[int, Field(gt=0, le=MOST_BYTES)]


class PhaseMemory(_Read):
    """Resident memory at the end of a phase, what of it no file stands behind, and the highest within the phase."""

    phase: Literal["start", "loaded", "first", "steady"]
    rss_bytes: Bytes
    anonymous_bytes: Bytes
    file_bytes: Bytes
    peak_bytes: Bytes


class MachineState(_Kept):
    """The machine at one moment of the sampling, `s` seconds after its start; None is what it does not tell.

    Clock and temperature are the highest of all cores and zones; one that cannot be was not told. `throttled` is a
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


class RunnerResult(_Read):
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


class ReadyRunner(_Read):
    """What a runner that stays says first: which artifact it holds."""

    schema_: Literal[2] = Field(alias="schema")
    ready: Literal[True]
    runtime: Runtime
    sha256: str


class Answers(_Read):
    """The outputs of the calls that a runner that stays was given in one line."""

    schema_: Literal[2] = Field(alias="schema")
    outputs: Outputs


class _Error(_Read):
    kind: Annotated[str, Field(max_length=40)]
    message: Annotated[str, Field(max_length=20_000)]


class _Failure(_Read):
    error: _Error


@dataclass(frozen=True, kw_only=True)
class RequestedRun:
    """What a runner was asked to do; a result has to be of just that. `outputs` are the names of each call's."""

    runtime: str
    threads: int
    sha256: str
    outputs: tuple[tuple[str, ...], ...]
    sampled: bool


def parse_result(completed: Completed, asked: RequestedRun, machine: Mapping[str, Any] | None = None) -> RunnerResult:
    """The result of a runner that was asked for it; `machine` are facts about the device.

    Raises `TransferError` when the artifact on the device is not the one that was meant, `RunnerError` for all else.
    """
    result = _read(RunnerResult, completed, machine or {})
    if fault := _disagreement(result, asked):
        raise RunnerError(f"the runner's result does not fit its job: {fault}; push its runtime again")
    return result


def parse_bandwidth(completed: Completed) -> CopyBandwidth:
    """What a native runner said that was asked for it. Raises `RunnerError`."""
    return _read(CopyBandwidth, completed, {})


def parse_ready(completed: Completed, *, runtime: str, sha256: str) -> ReadyRunner:
    """The first line of a runner that stays. Raises as `parse_result` does."""
    ready = _read(ReadyRunner, completed, {})
    if (ready.runtime, ready.sha256) != (runtime, sha256):
        raise RunnerError(f"the runner holds {ready.runtime} {_shown(ready.sha256)}, not {runtime} {sha256}")
    return ready


def parse_answers(completed: Completed, *, outputs: Sequence[Sequence[str]]) -> Answers:
    """A line of outputs, by the names that each call asked for. Raises `RunnerError`."""
    answers = _read(Answers, completed, {})
    if fault := _other_outputs(answers.outputs, outputs):
        raise RunnerError(f"the runner's answer does not fit its question: {fault}; push its runtime again")
    return answers


def _read(kind: type[Document], completed: Completed, machine: Mapping[str, Any]) -> Document:
    text = completed.stdout
    if len(text) > LARGEST_RESULT:
        raise RunnerError(f"the runner printed {len(text) >> 20} MB, more than a result can be; push its runtime again")
    if text.lstrip().startswith("{") and '"error"' in text[:200]:
        raise _told(text, completed.stderr, machine)
    if completed.status != 0:
        raise RunnerError(how_it_ended(completed, machine))
    if text.strip():
        parse_json(text, name="the runner's result", error=_no_result)
    try:
        return kind.model_validate_json(text)
    except ValidationError as error:
        raise RunnerError(_unreadable(error, completed)) from error


def how_it_ended(completed: Completed, machine: Mapping[str, Any]) -> str:
    """One sentence on a runner that ended without a result document, with what the machine's facts add to it."""
    status, said = completed.status, last_words(completed.stderr)
    number = -status if status < 0 else status - 128
    if number == signal.SIGKILL:
        return (
            "the runner was killed on the device, most likely because its memory ran out"
            f"{_held(completed.stderr, machine)}; use a smaller artifact or close what else runs there"
        )
    if number == signal.SIGILL:
        return f"the runner crashed on the device with SIGILL: {_unknown(completed.stderr, machine)}"
    if 0 < number < signal.NSIG:
        name = signal.Signals(number).name if number in set(signal.Signals) else f"signal {number}"
        return f"the runner crashed on the device with {name}: {said}"
    if "GLIBC" in completed.stderr:
        return (
            f"the runner needs a newer C library than the device has ({said}); "
            "update its system, for instance to Raspberry Pi OS 12 or later"
        )
    if status in (126, 127):
        return f"the runner could not be started on the device (status {status}): {said}"
    return f"the runner ended with status {status} and no result: {said}"


def _held(stderr: str, machine: Mapping[str, Any]) -> str:
    """What it held when it was last seen, and what there is."""
    seen = re.findall(rf"^{MEMORY_LINE} ([a-z]+) (\d+)$", stderr, re.M)
    parts = []
    if seen:
        phase, held = seen[-1]
        if (bytes_held := int_or_none(held)) is not None:
            parts.append(f"it held {bytes_held / 1e6:.0f} MB {PHASES.get(phase, 'when it was last seen')}")
    ram, limit = machine.get("ram_bytes"), machine.get("memory_limit_bytes")
    if isinstance(limit, int) and not (isinstance(ram, int) and limit >= ram):
        parts.append(f"it may have {limit / 1e6:.0f} MB, the limit of its control group")
    elif isinstance(ram, int):
        free = machine.get("ram_available_bytes")
        rest = f", of which {free / 1e6:.0f} MB were free before" if isinstance(free, int) else ""
        parts.append(f"the machine has {ram / 1e6:.0f} MB{rest}")
    return f" ({'; '.join(parts)})" if parts else ""


def _unknown(stderr: str, machine: Mapping[str, Any]) -> str:
    """The instruction that the core does not know, by the feature it belongs to."""
    core, word = machine.get("cpu_model") or "its core", unknown_instruction(stderr)
    features = machine.get("cpu_features")
    found = missing_feature(word, features if isinstance(features, list) else None)
    if found is None:
        told = "" if word is None else f" ({word:#010x})"
        return f"it met an instruction{told} that {_shown(str(core))} does not have; build the runtime for that core"
    return f"it met an instruction of {found}, which {_shown(str(core))} does not have; build the runtime for that core"


def last_words(stderr: str) -> str:
    """The last line of what a program complained of, made safe to show."""
    lines = [line for line in stderr[-20_000:].splitlines() if line.strip() and not line.startswith(MEMORY_LINE)]
    return _shown(lines[-1]) if lines else "it said nothing"


def _shown(text: str) -> str:
    safe = re.sub(r"\s+", " ", "".join(char if char.isprintable() or char.isspace() else "?" for char in text)).strip()
    return safe if len(safe) <= SHOWN else f"{safe[: SHOWN - 1]}…"


def _told(text: str, stderr: str, machine: Mapping[str, Any]) -> RunnerError | TransferError:
    try:
        error = _Failure.model_validate_json(text).error
    except ValidationError:
        return RunnerError(f"the runner failed with an unreadable message: {_shown(text[:SHOWN])}")
    message = _shown(error.message)
    if error.kind == "hash-mismatch":
        return TransferError(f"the artifact on the device is not the one in the bundle ({message}); push it again")
    if error.kind == "out-of-memory":
        held = _held(stderr, machine)
        return RunnerError(f"the artifact needs more memory than the device gives it{held}; use a smaller artifact")
    place = {
        "bad-job": "the runner refused its job",
        "bad-artifact": "the artifact cannot be loaded on the device",
        "run-failed": "the artifact failed on the device",
    }.get(error.kind, "the runner failed")
    return RunnerError(f"{place}: {message}")


def _no_result(place: str, what: str) -> RunnerError:
    return RunnerError(f"the runner's result cannot be read: {_shown(place)}: {_shown(what)}; push its runtime again")


def _unreadable(error: ValidationError, completed: Completed) -> str:
    if not completed.stdout.strip():
        return f"the runner ended without a result: {last_words(completed.stderr)}"
    fault = error.errors(include_url=False, include_input=False)[0]
    place = ".".join(str(part) for part in fault["loc"]) or "the document"
    return f"the runner's result cannot be read: {_shown(place)}: {_shown(fault['msg'])}; push its runtime again"


def _disagreement(result: RunnerResult, asked: RequestedRun) -> str:
    if result.sha256 != asked.sha256:
        return f"it ran {_shown(result.sha256)} instead of {asked.sha256}"
    if result.runtime != asked.runtime:
        return f"it is of {result.runtime}, and {asked.runtime} was asked for"
    if result.threads != asked.threads:
        return f"it is of {result.threads} threads, and {asked.threads} were asked for"
    if fault := _other_outputs(result.outputs, asked.outputs):
        return fault
    if asked.sampled != bool(result.latency_ms):
        return f"it has {len(result.latency_ms)} latency samples"
    return ""


def _other_outputs(found: Outputs, asked: Sequence[Sequence[str]]) -> str:
    if len(found) != len(asked):
        return f"it has outputs of {len(found)} calls for {len(asked)} calls"
    for place, (outputs, names) in enumerate(zip(found, asked, strict=True)):
        if [each.name for each in outputs] != list(names):
            shown = ", ".join(_shown(each.name) for each in outputs)
            return f"call {place} has the outputs {shown or 'none'}, and {', '.join(names) or 'none'} were asked for"
        if empty := [each.name for each in outputs if not each.data]:
            return f"the output {_shown(empty[0])} of call {place} is empty"
    return ""
