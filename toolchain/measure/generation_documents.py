"""What runners print of text that an artifact wrote, and what each field can be.

In:  JSON of a device, which is never trusted.
Out: frozen values, or pydantic's `ValidationError` with the place of a fault.
"""

from collections.abc import Sequence
from typing import Annotated, Literal, Self

import numpy as np
from pydantic import BeforeValidator, Field, FiniteFloat, model_validator

from edgewright.base.plausible import Milliseconds, Peak, Threads
from edgewright.measure.phase_memory import ResidentMemory
from edgewright.measure.runner_documents import RunnerDocument, Sampling, decoded
from edgewright.specs.profiles import Runtime
from edgewright.specs.signature import Array

Id = Annotated[int, Field(ge=0, lt=1 << 31)]
Ending = Literal["stop", "length", "context", "interrupted"]


class DraftUse(RunnerDocument):
    """What a draft was good for: the larger artifact's `passes` behind the prompt's, of `drafted` tokens `accepted`.

    `drift` is the most by which logits of one position differed between a pass of several tokens and one of a single
    token, where both were made.
    """

    passes: Annotated[int, Field(ge=0)]
    drafted: Annotated[int, Field(ge=0)]
    accepted: Annotated[int, Field(ge=0)]
    drift: Annotated[FiniteFloat, Field(ge=0)]

    @model_validator(mode="after")
    def _no_more_than_drafted(self) -> Self:
        if self.accepted > self.drafted:
            raise ValueError(f"{self.accepted} tokens are accepted of {self.drafted} that were drafted")
        return self


class GeneratedText(RunnerDocument):
    """What came after one prompt. Times in ms.

    `tokens` are all that were chosen, those of the stop sequence number `stop` at their end, too. They `ended` with
    such a sequence, at the most that were asked for (length), where the context was full, or because the runner was
    interrupted. `prefill_ms` is reading the prompt, `first_token_ms` that and choosing a token; each further token has
    its time in `token_ms`. Where they were asked for, `logits` are those of the prompt's last id, in bytes, and
    `margins` say of each token by how much its logit lay above the largest of the others. Where a smaller artifact
    drafted, `draft` says what that was good for; tokens of one pass come at once.
    """

    tokens: tuple[Id, ...]
    ended: Ending
    stop: Annotated[int, Field(ge=0)] | None
    prompt_tokens: Annotated[int, Field(ge=1)]
    prefill_ms: Milliseconds
    first_token_ms: Milliseconds | None
    token_ms: tuple[Milliseconds, ...]
    logits: Annotated[bytes, BeforeValidator(decoded)] | None = None
    margins: tuple[FiniteFloat, ...] = ()
    draft: DraftUse | None = None

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if len(self.token_ms) != max(0, len(self.tokens) - 1) or (self.first_token_ms is None) == bool(self.tokens):
            raise ValueError(f"{len(self.token_ms)} times of {len(self.tokens)} tokens")
        if (self.stop is not None) != (self.ended == "stop"):
            raise ValueError("it names a stop sequence, and ended otherwise")
        if self.margins and len(self.margins) != len(self.tokens):
            raise ValueError(f"{len(self.margins)} margins of {len(self.tokens)} tokens")
        if self.logits is not None and (len(self.logits) % 4 or not np.isfinite(self.first_logits).all()):
            raise ValueError("its logits are no finite numbers of float32")
        return self

    @property
    def first_logits(self) -> Array:
        """The logits that the first token was chosen by, (vocabulary,) in float32; none where nobody asked for them."""
        return np.frombuffer(self.logits or b"", dtype="<f4")

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
    """One token as it comes, of the prompt of that number; `ms` is what it took, the first from the prompt on."""

    schema_: Literal[2] = Field(alias="schema")
    token: Id
    prompt: Annotated[int, Field(ge=0)]
    ms: Milliseconds


class Generated(RunnerDocument):
    """The end of what a runner that stays was asked to write."""

    schema_: Literal[2] = Field(alias="schema")
    generated: tuple[GeneratedText, ...]
