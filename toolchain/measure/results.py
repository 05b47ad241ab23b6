"""Read what a runner printed; a runner may have been killed, and its output is never trusted.

In:  a `Completed` command whose program was a runner, and what it was asked to do.
Out: a validated `RunnerResult`, or a `TargetError` that says in one sentence what happened on the device.
"""

import re
import signal
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, FiniteFloat, ValidationError

from targets.base import Completed
from toolchain.errors import RunnerError, TransferError
from toolchain.profiles import Runtime

LARGEST_RESULT = 64 << 20
SHOWN = 300

Milliseconds = Annotated[FiniteFloat, Field(ge=0)]
Bytes = Annotated[int, Field(ge=-1)]  # -1: the kernel did not say
Peak = Annotated[int, Field(gt=0)]


class _Read(BaseModel):
    model_config = ConfigDict(frozen=True, strict=True, extra="ignore")


class OperatorTime(_Read):
    """What one kind of operator takes of an inference: calls and ms. `delegated` is a part of a delegate."""

    name: Annotated[str, Field(max_length=400)]
    delegated: bool
    calls: Annotated[int, Field(ge=0)]
    ms: Milliseconds


class RunnerResult(_Read):
    """One process of a runner: it loaded an artifact, ran each input once, then sampled. Times in ms.

    `operators` and `profiled_ms`, the whole inference while one looks, are there where a profile was asked for and the
    runtime tells.
    """

    schema_: Literal[1] = Field(alias="schema")
    runtime: Runtime
    runtime_version: Annotated[str, Field(max_length=100)]
    sha256: str
    threads: int
    load_ms: Milliseconds
    first_inference_ms: Milliseconds
    latency_ms: tuple[Milliseconds, ...]
    outputs: tuple[tuple[FiniteFloat, ...], ...]
    peak_rss_bytes: Peak
    rss_start_bytes: Bytes
    rss_loaded_bytes: Bytes
    rss_steady_bytes: Bytes
    operators: tuple[OperatorTime, ...] = ()
    profiled_ms: Milliseconds | None = None


class _Error(_Read):
    kind: Annotated[str, Field(max_length=40)]
    message: Annotated[str, Field(max_length=20_000)]


class _Failure(_Read):
    error: _Error


def parse_result(completed: Completed, *, sha256: str, inputs: int, sampled: bool) -> RunnerResult:
    """The result of a runner that was asked to run so many `inputs` of that artifact.

    Raises `TransferError` when the artifact on the device is not the one that was meant, `RunnerError` for all else.
    """
    text = completed.stdout
    if len(text) > LARGEST_RESULT:
        raise RunnerError(f"the runner printed {len(text) >> 20} MB, more than a result can be; push its runtime again")
    if text.lstrip().startswith("{") and '"error"' in text[:200]:
        raise _told(text)
    if completed.status != 0:
        raise RunnerError(how_it_ended(completed))
    try:
        result = RunnerResult.model_validate_json(text)
    except ValidationError as error:
        raise RunnerError(_unreadable(error, completed)) from error
    if fault := _disagreement(result, sha256, inputs, sampled):
        raise RunnerError(f"the runner's result does not fit its job: {fault}; push its runtime again")
    return result


def how_it_ended(completed: Completed) -> str:
    """One sentence on a runner that ended without a result document."""
    status, said = completed.status, last_words(completed.stderr)
    number = -status if status < 0 else status - 128
    if number == signal.SIGKILL:
        return (
            "the runner was killed on the device, most likely because its memory ran out; "
            "use a smaller artifact or close what else runs there"
        )
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


def last_words(stderr: str) -> str:
    """The last line of what a program complained of, made safe to show."""
    lines = [line for line in stderr[-20_000:].splitlines() if line.strip()]
    return _shown(lines[-1]) if lines else "it said nothing"


def _shown(text: str) -> str:
    safe = re.sub(r"\s+", " ", "".join(char if char.isprintable() or char.isspace() else "?" for char in text)).strip()
    return safe if len(safe) <= SHOWN else f"{safe[: SHOWN - 1]}…"


def _told(text: str) -> RunnerError | TransferError:
    try:
        error = _Failure.model_validate_json(text).error
    except ValidationError:
        return RunnerError(f"the runner failed with an unreadable message: {_shown(text[:SHOWN])}")
    message = _shown(error.message)
    if error.kind == "hash-mismatch":
        return TransferError(f"the artifact on the device is not the one in the bundle ({message}); push it again")
    place = {
        "bad-job": "the runner refused its job",
        "bad-artifact": "the artifact cannot be loaded on the device",
        "run-failed": "the artifact failed on the device",
    }.get(error.kind, "the runner failed")
    return RunnerError(f"{place}: {message}")


def _unreadable(error: ValidationError, completed: Completed) -> str:
    if not completed.stdout.strip():
        return f"the runner ended without a result: {last_words(completed.stderr)}"
    fault = error.errors(include_url=False, include_input=False)[0]
    place = ".".join(str(part) for part in fault["loc"]) or "the document"
    return f"the runner's result cannot be read: {_shown(place)}: {_shown(fault['msg'])}; push its runtime again"


def _disagreement(result: RunnerResult, sha256: str, inputs: int, sampled: bool) -> str:
    if result.sha256 != sha256:
        return f"it ran {_shown(result.sha256)} instead of {sha256}"
    if len(result.outputs) != inputs:
        return f"it has {len(result.outputs)} outputs for {inputs} inputs"
    if not all(result.outputs):
        return "an output is empty"
    if sampled != bool(result.latency_ms):
        return f"it has {len(result.latency_ms)} latency samples"
    return ""
