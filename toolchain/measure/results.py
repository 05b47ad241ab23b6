"""Read what a runner printed; a runner may have been killed, and its output is never trusted.

In:  a `Completed` command whose program was a runner, and what it was asked to do.
Out: a validated document of `runner_documents`, or a `TargetError` that says in one sentence what happened there.
How a runner ended that printed none is `endings`' concern.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

from pydantic import BaseModel, ValidationError

from edgewright.base.untrusted import parse_json
from edgewright.errors import RunnerError, TransferError
from edgewright.measure.endings import SHOWN, how_it_ended, last_words, memory_held, shown
from edgewright.measure.generation_documents import Generated, GeneratedText, GenerationRun, NextToken
from edgewright.measure.runner_documents import Answers, CopyBandwidth, FailedRunner, Outputs, ReadyRunner, RunnerResult
from edgewright.targets.base import Completed

LARGEST_RESULT = 64 << 20

Document = TypeVar("Document", bound=BaseModel)


@dataclass(frozen=True, kw_only=True)
class RequestedRun:
    """What a runner is asked to do; a result has to be of just that. `outputs` are the names of each call's."""

    runtime: str
    threads: int
    sha256: str
    outputs: tuple[tuple[str, ...], ...]
    sampled: bool


def parse_result(
    completed: Completed, request: RequestedRun, machine: Mapping[str, object] | None = None
) -> RunnerResult:
    """Read the result of a run; `machine` are facts about the device.

    Raises `TransferError` when the artifact on the device is not the one that was meant, `RunnerError` for all else.
    """
    result = _read(RunnerResult, completed, machine or {})
    if fault := _disagreement(result, request):
        raise RunnerError(f"the runner's result does not fit its job: {fault}; push its runtime again")
    return result


def parse_bandwidth(completed: Completed) -> CopyBandwidth:
    """Read how fast a native runner copied memory. Raises `RunnerError`."""
    return _read(CopyBandwidth, completed, {})


def parse_ready(completed: Completed, *, runtime: str, sha256: str) -> ReadyRunner:
    """Read the first line of a runner that stays. Raises as `parse_result` does."""
    ready = _read(ReadyRunner, completed, {})
    if (ready.runtime, ready.sha256) != (runtime, sha256):
        raise RunnerError(f"the runner holds {ready.runtime} {shown(ready.sha256)}, not {runtime} {sha256}")
    return ready


def parse_answers(completed: Completed, *, outputs: Sequence[Sequence[str]]) -> Answers:
    """Read a line of outputs, of the names that each call asks for. Raises `RunnerError`."""
    answers = _read(Answers, completed, {})
    if fault := _other_outputs(answers.outputs, outputs):
        raise RunnerError(f"the runner's answer does not fit its question: {fault}; push its runtime again")
    return answers


def parse_generation(completed: Completed, *, runtime: str, sha256: str, threads: int, prompts: int) -> GenerationRun:
    """Read what came after so many prompts, fewer where the runner was interrupted. Raises as `parse_result` does."""
    run = _read(GenerationRun, completed, {})
    found = (run.runtime, run.sha256, run.threads)
    if found != (runtime, sha256, threads):
        raise RunnerError(f"the runner's result does not fit its job: it is of {shown(str(found))}; push it again")
    _require_texts(run.generated, prompts)
    return run


def parse_written(completed: Completed, *, prompts: int) -> NextToken | Generated:
    """Read a line of a runner that stays: a token, or the end of what it writes. Raises `RunnerError`."""
    if '"token"' in completed.stdout[:200]:
        return _read(NextToken, completed, {})
    written = _read(Generated, completed, {})
    _require_texts(written.generated, prompts)
    return written


def _require_texts(texts: Sequence[GeneratedText], prompts: int) -> None:
    interrupted = bool(texts) and texts[-1].ended == "interrupted"
    if len(texts) > prompts or (len(texts) < prompts and not interrupted):
        raise RunnerError(f"the runner answered {len(texts)} prompts of {prompts}; push its runtime again")


def _read(kind: type[Document], completed: Completed, machine: Mapping[str, object]) -> Document:
    text = completed.stdout
    if len(text) > LARGEST_RESULT:
        raise RunnerError(f"the runner printed {len(text) >> 20} MB, more than a result can be; push its runtime again")
    if text.lstrip().startswith("{") and '"error"' in text[:200]:
        raise _failure(text, completed.stderr, machine)
    if completed.status != 0:
        raise RunnerError(how_it_ended(completed, machine))
    if text.strip():
        parse_json(text, name="the runner's result", error=_no_result)
    try:
        return kind.model_validate_json(text)
    except ValidationError as error:
        raise RunnerError(_unreadable(error, completed)) from error


def _failure(text: str, stderr: str, machine: Mapping[str, object]) -> RunnerError | TransferError:
    try:
        error = FailedRunner.model_validate_json(text).error
    except ValidationError:
        return RunnerError(f"the runner failed with an unreadable message: {shown(text[:SHOWN])}")
    message = shown(error.message)
    if error.kind == "hash-mismatch":
        return TransferError(f"the artifact on the device is not the one in the bundle ({message}); push it again")
    if error.kind == "out-of-memory":
        held = memory_held(stderr, machine)
        return RunnerError(f"the artifact needs more memory than the device gives it{held}; use a smaller artifact")
    place = {
        "bad-job": "the runner refused its job",
        "bad-artifact": "the artifact cannot be loaded on the device",
        "run-failed": "the artifact failed on the device",
    }.get(error.kind, "the runner failed")
    return RunnerError(f"{place}: {message}")


def _no_result(place: str, what: str) -> RunnerError:
    return RunnerError(f"the runner's result cannot be read: {shown(place)}: {shown(what)}; push its runtime again")


def _unreadable(error: ValidationError, completed: Completed) -> str:
    if not completed.stdout.strip():
        return f"the runner ended without a result: {last_words(completed.stderr)}"
    fault = error.errors(include_url=False, include_input=False)[0]
    place = ".".join(str(part) for part in fault["loc"]) or "the document"
    return f"the runner's result cannot be read: {shown(place)}: {shown(fault['msg'])}; push its runtime again"


def _disagreement(result: RunnerResult, request: RequestedRun) -> str:
    if result.sha256 != request.sha256:
        return f"it ran {shown(result.sha256)} instead of {request.sha256}"
    if result.runtime != request.runtime:
        return f"it is of {result.runtime}, and {request.runtime} was asked for"
    if result.threads != request.threads:
        return f"it is of {result.threads} threads, and {request.threads} were asked for"
    if fault := _other_outputs(result.outputs, request.outputs):
        return fault
    if request.sampled != bool(result.latency_ms):
        return f"it has {len(result.latency_ms)} latency samples"
    return ""


def _other_outputs(found: Outputs, asked: Sequence[Sequence[str]]) -> str:
    if len(found) != len(asked):
        return f"it has outputs of {len(found)} calls for {len(asked)} calls"
    for place, (outputs, names) in enumerate(zip(found, asked, strict=True)):
        if [each.name for each in outputs] != list(names):
            there = ", ".join(shown(each.name) for each in outputs)
            return f"call {place} has the outputs {there or 'none'}, and {', '.join(names) or 'none'} were asked for"
        if empty := [each.name for each in outputs if not each.data]:
            return f"the output {shown(empty[0])} of call {place} is empty"
    return ""
