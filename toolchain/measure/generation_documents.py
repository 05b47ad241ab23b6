"""What runners print of text that an artifact wrote, and what each field can be.

In:  JSON of a device, which is never trusted.
Out: frozen values, or pydantic's `ValidationError` with the place of a fault.
"""

from collections.abc import Sequence
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from edgewright.base.plausible import Milliseconds, Peak, Threads
from edgewright.measure.phase_memory import ResidentMemory
from edgewright.measure.runner_documents import RunnerDocument, Sampling
from edgewright.specs.profiles import Runtime

Id = Annotated[int, Field(ge=0, lt=1 << 31)]
Ending = Literal["stop", "length", "context", "interrupted"]


class GeneratedText(RunnerDocument):
    """What came after one prompt. Times in ms.

    `tokens` are all that were chosen, those of the stop sequence number `stop` at their end, too. They `ended` with
    such a sequence, at the most that were asked for (length), where the context was full, or because the runner was
    interrupted. `prefill_ms` is reading the prompt, `first_token_ms` that and choosing a token; each further token has
    its time in `token_ms`.
    """

    tokens: tuple[Id, ...]
    ended: Ending
    stop: Annotated[int, Field(ge=0)] | None
    prompt_tokens: Annotated[int, Field(ge=1)]
    prefill_ms: Milliseconds
    first_token_ms: Milliseconds | None
    token_ms: tuple[Milliseconds, ...]

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if len(self.token_ms) != max(0, len(self.tokens) - 1) or (self.first_token_ms is None) == bool(self.tokens):
            raise ValueError(f"{len(self.token_ms)} times of {len(self.tokens)} tokens")
        if (self.stop is not None) != (self.ended == "stop"):
            raise ValueError("it names a stop sequence, and ended otherwise")
        return self

    def without_stop(self, stop: Sequence[Sequence[int]]) -> tuple[int, ...]:
        """The tokens before the stop sequence that ended them; `stop` are those that were asked for."""
        return self.tokens if self.stop is None else self.tokens[: -len(stop[self.stop])]


class GenerationMemory(ResidentMemory):
    """Of a runner that writes; "prefill" ends once the first prompt was read, "decode" with the last token."""

    phase: Literal["start", "loaded", "prefill", "decode"]


class GenerationRun(RunnerDocument):
    """One process of a runner that let an artifact write after each prompt."""

    schema_: Literal[2] = Field(alias="schema")
    runtime: Runtime
    runtime_version: Annotated[str, Field(max_length=100)]
    sha256: str
    threads: Threads
    load_ms: Milliseconds
    generated: Annotated[tuple[GeneratedText, ...], Field(min_length=1)]
    peak_rss_bytes: Peak
    memory: tuple[GenerationMemory, ...]
    sampling: Sampling | None = None


class NextToken(RunnerDocument):
    """One token as it comes, of the prompt of that number."""

    schema_: Literal[2] = Field(alias="schema")
    token: Id
    prompt: Annotated[int, Field(ge=0)]


class Generated(RunnerDocument):
    """The end of what a runner that stays was asked to write."""

    schema_: Literal[2] = Field(alias="schema")
    generated: tuple[GeneratedText, ...]
