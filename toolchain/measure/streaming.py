"""Hear the tokens of an artifact on a target as they come, through whatever transport leads there.

In:  an open target, the places of an artifact and its runtime on it, its signature and one prompt.
Out: `StreamedText`: what was written, why it ended and what each token took; nothing of it stays on the target.
What is measured is `generating`'s concern; a runner that stays on this machine is `kept`'s.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import PurePosixPath

from edgewright.errors import RunnerError, TargetError
from edgewright.measure.endings import how_it_ended
from edgewright.measure.generating import limit_s_of
from edgewright.measure.generation_documents import DraftUse, Ending, Generated, GeneratedText, NextToken
from edgewright.measure.job import JOB, job_document
from edgewright.measure.prompts import Draft, Prompt, prompts_document
from edgewright.measure.protocol import Protocol, RemoteArtifact, RemoteRuntime
from edgewright.measure.results import LARGEST_RESULT, parse_ready, parse_written
from edgewright.specs.signature import Signature
from edgewright.targets.base import Completed, Target

OnToken = Callable[[int], object]
"""Hears of a token as it comes; where it says True the text is long enough."""


@dataclass(frozen=True, kw_only=True)
class StreamedText:
    """What came after a prompt. Times in ms: to the first token, and from each token to the next."""

    tokens: tuple[int, ...]
    ended: Ending
    first_token_ms: float | None
    token_ms: tuple[float, ...]
    draft: DraftUse | None = None

    @classmethod
    def of(cls, text: GeneratedText) -> StreamedText:
        """Of a runner's word on a whole text."""
        return cls(
            tokens=text.tokens,
            ended=text.ended,
            first_token_ms=text.first_token_ms,
            token_ms=tuple(text.token_ms),
            draft=text.draft,
        )

    @property
    def tokens_per_second(self) -> float | None:
        """How many tokens were written a second after the first; None where there was no second."""
        return 1e3 * len(self.token_ms) / sum(self.token_ms) if sum(self.token_ms) else None


class _Enough(Exception):
    """Ends the runner there; no error."""


def stream(
    target: Target,
    artifact: RemoteArtifact,
    runtime: RemoteRuntime,
    signature: Signature,
    prompt: Prompt,
    on_token: OnToken,
    *,
    context: int | None = None,
    draft: Draft | None = None,
) -> StreamedText:
    """Let an artifact write after a prompt, with a `draft` of the artifact's own; `on_token` hears of each token.

    Where that says True, or Ctrl-C comes, the runner is ended and what there is by then is returned as "interrupted".
    Raises `RunnerError` when the runner fails or refuses the prompt, `TransferError` when the artifact there has
    another hash, and what the target raises.
    """
    document = prompts_document(signature, [prompt], context=context, draft=draft)
    limit_s = limit_s_of(target, [prompt])
    with _serving(target, artifact) as job:
        command = runtime.runtime.command(runtime.directory, job)
        lines = _Lines(command, runtime.runtime.name, artifact.sha256, on_token)
        try:
            completed = target.run(command, timeout_s=limit_s, stdin=json.dumps(document) + "\n", on_output=lines.add)
        except (_Enough, KeyboardInterrupt):
            return lines.interrupted()
    if lines.written is None:
        raise RunnerError(how_it_ended(completed, {}))
    return StreamedText.of(lines.written)


class _Lines:
    """Reads a runner's output line by line: that it is ready, the tokens, the whole text."""

    def __init__(self, argv: Sequence[str], runtime: str, sha256: str, on_token: OnToken) -> None:
        self._argv, self._runtime, self._sha256, self._on_token = tuple(argv), runtime, sha256, on_token
        self._unread, self._ready = b"", False
        self._tokens: list[NextToken] = []
        self.written: GeneratedText | None = None

    def add(self, chunk: bytes) -> None:
        """Take what was printed. Raises `_Enough`, and `RunnerError` for what no runner prints."""
        self._unread += chunk
        if len(self._unread) > LARGEST_RESULT:
            raise RunnerError(f"the runner printed over {LARGEST_RESULT >> 20} MB in a line; build the bundle again")
        while b"\n" in self._unread:
            line, _, self._unread = self._unread.partition(b"\n")
            self._take(Completed(argv=self._argv, status=0, stdout=line.decode(errors="replace"), stderr=""))

    def interrupted(self) -> StreamedText:
        """The tokens that came."""
        first, rest = self._tokens[:1], self._tokens[1:]
        return StreamedText(
            tokens=tuple(each.token for each in self._tokens),
            ended="interrupted",
            first_token_ms=first[0].ms if first else None,
            token_ms=tuple(each.ms for each in rest),
        )

    def _take(self, line: Completed) -> None:
        if not self._ready:
            parse_ready(line, runtime=self._runtime, sha256=self._sha256)
            self._ready = True
            return
        said = parse_written(line, prompts=1)
        if isinstance(said, Generated):
            (self.written,) = said.generated
            return
        self._tokens.append(said)
        if self._on_token(said.token) is True:
            raise _Enough


@contextmanager
def _serving(target: Target, artifact: RemoteArtifact) -> Iterator[PurePosixPath]:
    """Put the job of a runner that answers lines into a directory of its own; it goes when the context ends."""
    directory = target.home / "jobs" / uuid.uuid4().hex
    job = job_document(artifact, directory, Protocol.outputs_only(), 0)
    try:
        target.put(json.dumps({**job, "serve": True}).encode(), directory / JOB)
        yield directory / JOB
    finally:
        with suppress(TargetError):  # a lost machine was reported already
            target.run(["rm", "-rf", str(directory)], timeout_s=60)
