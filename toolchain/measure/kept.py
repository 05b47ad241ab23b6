"""A runner that stays on this machine and answers calls as they come, so that the model is loaded once.

In:  an artifact and its runtime as they lie on this machine (`local:`), then calls, or prompts.
Out: outputs, the same as `measuring.infer` gives, or tokens as they come. Nothing is timed: what is measured has a
     process of its own.
"""

import json
import os
import select
import signal
import subprocess
import tempfile
import time
import weakref
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path, PurePosixPath
from typing import Self

from edgewright.errors import RunnerError
from edgewright.measure.endings import how_it_ended
from edgewright.measure.generation_documents import Generated, GeneratedText
from edgewright.measure.job import JOB, calls_line, job_document
from edgewright.measure.prompts import Draft, Prompt, prompts_document
from edgewright.measure.protocol import Protocol, RemoteArtifact, RemoteRuntime
from edgewright.measure.results import LARGEST_RESULT, parse_answers, parse_ready, parse_written
from edgewright.measure.runner_documents import by_name
from edgewright.specs.signature import Array, Call, Signature
from edgewright.targets.base import Completed

ANSWER_LIMIT_S = 120.0
ENDING_LIMIT_S = 5.0
STDERR = "stderr"
SHOWN_STDERR_BYTES = 20_000


class KeptRunner:
    """One process that holds an artifact; it ends when this is closed, and with the process that started it.

    Raises `RunnerError` where the runner fails, ends, holds another artifact or does not answer within the limit.
    """

    def __init__(self, artifact: RemoteArtifact, runtime: RemoteRuntime) -> None:
        self._temporary = tempfile.TemporaryDirectory(prefix="edgewright-run-")
        self._folder = Path(self._temporary.name)
        job = job_document(artifact, PurePosixPath(self._folder), Protocol.outputs_only(), 0)
        (self._folder / JOB).write_text(json.dumps({**job, "serve": True}), encoding="utf-8")
        self._argv = tuple(runtime.runtime.command(runtime.directory, PurePosixPath(self._folder / JOB)))
        self._unread = b""
        self._state = artifact.state
        try:
            with (self._folder / STDERR).open("wb") as errors:
                self._process = subprocess.Popen(
                    self._argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=errors, start_new_session=True
                )
        except OSError as error:
            self._temporary.cleanup()
            raise RunnerError(f"the {runtime.runtime.name} runner could not be started here: {error}") from error
        self._end = weakref.finalize(self, _end, self._process, self._temporary)  # also where nobody closes it
        try:
            parse_ready(self._next_line(), runtime=runtime.runtime.name, sha256=artifact.sha256)
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def is_alive(self) -> bool:
        """Whether the process is there to answer."""
        return self._process.poll() is None

    def outputs(self, calls: Sequence[Call]) -> tuple[dict[str, Array], ...]:
        """The artifact's outputs for each call, by name; its state lives on to the next ones.

        After an error of the runner's the runner is closed.
        """
        try:
            self._send(calls_line(calls, self._state))
            return by_name(parse_answers(self._next_line(), outputs=[call.outputs for call in calls]).outputs)
        except BaseException:  # of an interrupted exchange the other half would be read as the next answer
            self.close()
            raise

    def generate(
        self,
        signature: Signature,
        prompts: Sequence[Prompt],
        on_token: Callable[[int, int], object] = lambda _prompt, _token: None,
        *,
        context: int | None = None,
        draft: Draft | None = None,
    ) -> tuple[GeneratedText, ...]:
        """What comes after each prompt; `on_token` hears of the prompt's number and each token as it comes.

        With a `draft` the artifact's own drafts for it.

        Ctrl-C, or True said by `on_token`, ends it after the token that is being made; what there is by then is
        returned, and the runner has ended. After an error of the runner's the runner is closed.
        """
        document = prompts_document(signature, prompts, context=context, draft=draft)
        interrupted = False
        try:
            self._send(document)
            while True:
                try:
                    line = parse_written(self._next_line(), prompts=len(prompts))
                    if isinstance(line, Generated):
                        if interrupted:  # which may meet it once it waits for the next line
                            self.close()
                        return line.generated
                    if on_token(line.prompt, line.token) is True and not interrupted:
                        interrupted = True
                        self._process.send_signal(signal.SIGINT)
                except KeyboardInterrupt:
                    if interrupted:
                        raise
                    interrupted = True
                    self._process.send_signal(signal.SIGINT)
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """End the process. Safe to call twice."""
        self._end()

    def _send(self, document: Mapping[str, object]) -> None:
        assert self._process.stdin is not None
        with suppress(BrokenPipeError):  # it has ended, which reading tells with its reason
            self._process.stdin.write(json.dumps(document).encode() + b"\n")
            self._process.stdin.flush()

    def _next_line(self) -> Completed:
        """The next line that the runner prints, as a command's output."""
        assert self._process.stdout is not None
        until = time.monotonic() + ANSWER_LIMIT_S
        while b"\n" not in self._unread:
            left_s = until - time.monotonic()
            if left_s <= 0 or not select.select([self._process.stdout], [], [], left_s)[0]:
                raise RunnerError(f"the runner gave no answer within {ANSWER_LIMIT_S:g} s and was ended; try again")
            read = os.read(self._process.stdout.fileno(), 1 << 16)
            if not read:
                raise RunnerError(how_it_ended(self._completed("", self._process.wait()), {}))
            self._unread += read
            if len(self._unread) > LARGEST_RESULT:
                raise RunnerError(
                    f"the runner printed over {LARGEST_RESULT >> 20} MB in a line; build the bundle again"
                )
        line, _, self._unread = self._unread.partition(b"\n")
        return self._completed(line.decode(errors="replace"), 0)

    def _completed(self, line: str, status: int) -> Completed:
        with (self._folder / STDERR).open("rb") as errors:  # of a runner that stays it may have grown long
            errors.seek(max(0, errors.seek(0, os.SEEK_END) - SHOWN_STDERR_BYTES))
            last = errors.read().decode(errors="replace")
        return Completed(argv=self._argv, status=status, stdout=line, stderr=last)


def _end(process: subprocess.Popen[bytes], folder: tempfile.TemporaryDirectory[str]) -> None:
    """Close the runner's input, on which it ends by itself, and see that it does."""
    for stream in (process.stdin, process.stdout):
        if stream is not None:
            with suppress(OSError):
                stream.close()
    try:
        process.wait(timeout=ENDING_LIMIT_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    folder.cleanup()
