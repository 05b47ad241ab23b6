"""Let an artifact write on a target, and say how fast it does.

In:  a target, the places of an artifact and its runtime on it, its signature, and prompts.
Out: `Writing`: the tokens, and the statistics of every sample that the runner took.
"""

import json
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path, PurePosixPath

from edgewright.errors import TargetError
from edgewright.measure.deployment import HERE, deploy
from edgewright.measure.generation_documents import DraftUse, GeneratedText, GenerationRun
from edgewright.measure.job import JOB, job_document
from edgewright.measure.phase_memory import Phases, highest
from edgewright.measure.prompts import Draft, Prompt, prompts_document
from edgewright.measure.protocol import AS_USUAL, Protocol, RemoteArtifact, RemoteRuntime, RunOptions
from edgewright.measure.results import parse_generation
from edgewright.measure.stats import Summary, summarize
from edgewright.specs.signature import Signature
from edgewright.targets import open_target
from edgewright.targets.base import Target

PROMPTS = "prompts.json"
SECONDS_A_TOKEN = 1.0  # that a token may take, of a prompt or written, before the runner is given up
LEAST_LIMIT_S = 120.0


@dataclass(frozen=True, kw_only=True)
class Writing:
    """What an artifact wrote in some processes, and how long it took. Times in ms, memory in bytes.

    `state_bytes` is what the cache takes of the memory.
    """

    runs: tuple[GenerationRun, ...]
    state_bytes: int

    @property
    def texts(self) -> tuple[GeneratedText, ...]:
        """What came after each prompt, of the first process."""
        return self.runs[0].generated

    @property
    def first_token(self) -> Summary | None:
        """From a prompt to its first token, over all prompts: compare only those of equal lengths."""
        return summarize(
            [[each.first_token_ms for each in run.generated if each.first_token_ms is not None] for run in self.runs]
        )

    @property
    def token(self) -> Summary | None:
        """From one token to the next."""
        return summarize([[ms for each in run.generated for ms in each.token_ms] for run in self.runs])

    @property
    def prefill_tokens_per_second(self) -> float:
        """How many ids of prompts are read a second."""
        texts = self._all
        return 1e3 * sum(each.prompt_tokens for each in texts) / sum(each.prefill_ms for each in texts)

    @property
    def tokens_per_second(self) -> float | None:
        """How many tokens are written a second after the first; None where no prompt had two."""
        samples = [ms for each in self._all for ms in each.token_ms]
        return 1e3 * len(samples) / sum(samples) if samples else None

    @property
    def peak_rss_bytes(self) -> int:
        """The highest of all processes."""
        return max(run.peak_rss_bytes for run in self.runs)

    @property
    def memory(self) -> Phases:
        """Of each phase what was resident at its end, anonymous and of files, and its peak; the highest of all."""
        return highest(chain.from_iterable(run.memory for run in self.runs))

    @property
    def draft(self) -> DraftUse | None:
        """What a draft was good for over all texts; None where there was none."""
        return sum_of_drafts(self._all)

    @property
    def _all(self) -> tuple[GeneratedText, ...]:
        return tuple(chain.from_iterable(run.generated for run in self.runs))


def sum_of_drafts(texts: Sequence[GeneratedText]) -> DraftUse | None:
    """What drafts were good for in some texts together; None where one had none."""
    uses = [each.draft for each in texts if each.draft is not None]
    if not uses or len(uses) < len(texts):
        return None
    return DraftUse(
        passes=sum(each.passes for each in uses),
        drafted=sum(each.drafted for each in uses),
        accepted=sum(each.accepted for each in uses),
        drift=max(each.drift for each in uses),
    )


def generate(
    target: Target,
    artifact: RemoteArtifact,
    runtime: RemoteRuntime,
    signature: Signature,
    prompts: Sequence[Prompt],
    *,
    context: int | None = None,
    options: RunOptions = AS_USUAL,
    restarts: int = 1,
    draft: Draft | None = None,
) -> Writing:
    """Let an artifact write after each prompt, in as many processes as `restarts` says.

    With a `draft` the artifact's own drafts for it.

    Raises `RunnerError` when the runner fails or refuses the artifact, `TransferError` when the artifact there has
    another hash, and what the target raises.
    """
    document = prompts_document(signature, prompts, context=context, draft=draft)
    limit_s = limit_s_of(target, prompts)
    runs = []
    with prompts_job(target, artifact, document, options) as job:
        for _ in range(restarts):
            completed = target.run(runtime.runtime.command(runtime.directory, job), timeout_s=limit_s)
            runs.append(
                parse_generation(
                    completed,
                    runtime=runtime.runtime.name,
                    sha256=artifact.sha256,
                    threads=options.threads,
                    prompts=len(prompts),
                )
            )
    return Writing(runs=tuple(runs), state_bytes=signature.state_bytes)


def limit_s_of(target: Target, prompts: Sequence[Prompt]) -> float:
    """How long a runner may take for these prompts on a target."""
    tokens = sum(len(each.ids) + each.decoding.max_tokens for each in prompts)
    return LEAST_LIMIT_S * (2 if target.emulated else 1) + token_limit_s(tokens, emulated=target.emulated)


def generate_here(
    runtime: str,
    file: Path,
    signature: Signature,
    prompts: Sequence[Prompt],
    drafted: tuple[Path, Draft] | None = None,
) -> Writing:
    """The same on this machine, by the runner of devices; `drafted` is the file that drafts."""
    target = open_target(HERE)
    try:
        place = deploy(target, file, runtime=runtime, operators=signature.operators)
        if drafted is None:
            return generate(target, place.artifact, place.runtime, signature, prompts)
        beside, draft = drafted
        smaller = deploy(target, beside, runtime=runtime, operators=draft.signature.operators)
        artifact = replace(place.artifact, draft=smaller.artifact)
        return generate(target, artifact, place.runtime, signature, prompts, draft=draft)
    finally:
        target.close()


def token_limit_s(tokens: int, *, emulated: bool) -> float:
    """How long so many tokens may take at most, read or written, before a runner is given up."""
    return SECONDS_A_TOKEN * tokens * (2 if emulated else 1)


@contextmanager
def prompts_job(
    target: Target, artifact: RemoteArtifact, document: dict[str, object], options: RunOptions, *, cold: bool = False
) -> Iterator[PurePosixPath]:
    """Put a job of prompts into a directory of its own on the target; it goes when the context ends.

    With `cold` the artifact is read from storage.
    """
    directory = target.home / "jobs" / uuid.uuid4().hex
    job = job_document(artifact, directory, Protocol.outputs_only(), 0, options)
    job.pop("calls")
    try:
        target.put(json.dumps({**job, "prompts": PROMPTS, "cold": cold}).encode(), directory / JOB)
        target.put(json.dumps(document).encode(), directory / PROMPTS)
        yield directory / JOB
    finally:
        with suppress(TargetError):  # a lost machine was reported already
            target.run(["rm", "-rf", str(directory)], timeout_s=60)
