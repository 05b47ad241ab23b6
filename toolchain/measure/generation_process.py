"""One process that wrote text by a workload, as a measurement reads it: its times by figure.

In:  what a runner printed, and the workload that it was asked.
Out: `GenerationProcess`, a `RunnerProcess` whose samples are of one token each.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain

from edgewright.errors import RunnerError
from edgewright.measure.generation_documents import GeneratedText, GenerationRun
from edgewright.measure.generation_workload import GenerationWorkload
from edgewright.measure.phase_memory import ResidentMemory
from edgewright.measure.runner_documents import OperatorTime, Sampling
from edgewright.specs.signature import Array


@dataclass(frozen=True, kw_only=True)
class GenerationProcess:
    """One process. The first texts, `uncounted`, were to warm up or to be compared; passes of the workload follow.

    Times are in ms, memory in bytes. A sample of `latency_ms` is one token; samples cycle through the contexts.
    """

    run: GenerationRun
    workload: GenerationWorkload
    uncounted: int

    @classmethod
    def of(cls, run: GenerationRun, workload: GenerationWorkload, *, uncounted: int) -> GenerationProcess:
        """Check that what was asked was written. Raises `RunnerError` where it was not."""
        process = cls(run=run, workload=workload, uncounted=uncounted)
        counted = run.generated[uncounted:]
        asked = [1] * len(workload.prompts) + [workload.tokens + 1] * len(workload.contexts)
        if len(counted) % workload.texts or any(
            len(text.tokens) != asked[place % workload.texts] for place, text in enumerate(counted)
        ):
            raise RunnerError(
                "the runner wrote fewer tokens than it was asked for; measure again, and if that repeats push its "
                "runtime again"
            )
        return process

    @property
    def passes(self) -> tuple[Sequence[GeneratedText], ...]:
        """The texts of each pass that counts."""
        texts, size = self.run.generated[self.uncounted :], self.workload.texts
        return tuple(texts[start : start + size] for start in range(0, len(texts), size))

    @property
    def first_token_ms(self) -> list[list[float]]:
        """Of each length of prompts, rising, the times to a first token."""
        return self._of_prompts(lambda text: text.first_token_ms or 0.0)

    @property
    def prefill_ms(self) -> list[list[float]]:
        """Of each length of prompts, rising, the times to read one."""
        return self._of_prompts(lambda text: text.prefill_ms)

    def _of_prompts(self, time_of: Callable[[GeneratedText], float]) -> list[list[float]]:
        lengths = len(self.workload.prompts)
        return [[time_of(each[place]) for each in self.passes] for place in reversed(range(lengths))]

    @property
    def token_ms(self) -> list[list[float]]:
        """Of each context, rising, the times of tokens."""
        contexts = len(self.workload.contexts)
        rows = [
            list(chain.from_iterable(each[len(self.workload.prompts) + place].token_ms for each in self.passes))
            for place in range(contexts)
        ]
        return rows[::-1]

    @property
    def latency_ms(self) -> tuple[float, ...]:
        """Every token, of one context after another in turn."""
        return tuple(chain.from_iterable(zip(*self.token_ms, strict=True)))

    @property
    def pass_s(self) -> float:
        """What a pass took, in seconds: a mean."""
        spent = sum((text.first_token_ms or 0.0) + sum(text.token_ms) for each in self.passes for text in each)
        return spent / 1e3 / len(self.passes)

    @property
    def outputs(self) -> object:
        """All tokens, by which processes are compared with each other."""
        return tuple(text.tokens for text in self.passes[0])

    @property
    def arrays(self) -> tuple[Mapping[str, Array], ...]:
        """None: what it gave are tokens."""
        return ()

    @property
    def runtime_version(self) -> str:
        """The runtime's version there."""
        return self.run.runtime_version

    @property
    def threads(self) -> int:
        """How many it used."""
        return self.run.threads

    @property
    def load_ms(self) -> float:
        """What loading the artifact took."""
        return self.run.load_ms

    @property
    def first_inference_ms(self) -> float:
        """From the first prompt of the process to its first token."""
        return self.run.generated[0].first_token_ms or 0.0

    @property
    def peak_rss_bytes(self) -> int:
        """The most memory it held."""
        return self.run.peak_rss_bytes

    @property
    def memory(self) -> Sequence[ResidentMemory]:
        """What it held phase by phase: start, loaded, prefill, decode."""
        return self.run.memory

    @property
    def sampling(self) -> Sampling | None:
        """The machine while it wrote."""
        return self.run.sampling

    @property
    def operators(self) -> tuple[OperatorTime, ...]:
        """None: operators are not timed while text is written."""
        return ()

    @property
    def profiled_ms(self) -> float | None:
        """None, as above."""
        return None
