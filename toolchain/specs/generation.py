"""How an artifact writes text of its own, as data: which methods read a prompt and add a token, and how far.

In:  an exporter or a manifest.
Out: `Generation`, by which a runner makes its calls. No runner knows an architecture or a tokenizer.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, SerializerFunctionWrapHandler, model_serializer

Name = Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$", max_length=100)]
Count = Annotated[int, Field(ge=1, le=1 << 31)]
Id = Annotated[int, Field(ge=0, lt=1 << 31)]


@dataclass(frozen=True, kw_only=True)
class Writes:
    """How an artifact that writes is to be made: the size and the numbers of its cache, how many tokens of a prompt are
    read at once, the tokens that begin and end a text, and how many tokens of a draft are read at once (0: none)."""

    context: int
    prefill_lengths: tuple[int, ...]
    cache: str = "float32"
    begin: int | None = None
    stop: tuple[int, ...] = ()
    verify_tokens: int = 0


class Generation(BaseModel):
    """What generating needs beside the methods' tensors.

    `prefill` takes several ids at once and `decode` one; where a file has one method for both, both name it. Each takes
    `ids` (1, length) and the `position` (1,) of the first of them in the text, and gives the `logits` (1, vocabulary)
    of the last. The rows of the cache before that position are read, those of the ids written: a text begins at
    position 0, whatever the cache held. `context` is how many positions there are. A text may start with the id
    `begin`, and ends with any of the ids `stop`. Where there is a method `verify`, it takes ids as a column,
    (length, 1), from the position on, and gives the logits of each, (length, vocabulary): so a draft is read.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    context: Count
    vocabulary: Count
    begin: Id | None = None
    stop: tuple[Id, ...] = ()
    prefill: Name = "prefill"
    decode: Name = "decode"
    ids: Name = "ids"
    position: Name = "position"
    logits: Name = "logits"
    verify: Name | None = None

    @model_serializer(mode="wrap")
    def _without_what_is_not_there(self, serialized: SerializerFunctionWrapHandler) -> dict[str, object]:
        document: dict[str, object] = serialized(self)
        return {name: value for name, value in document.items() if name != "verify" or value is not None}


TYPICAL_PROMPT, SHORT_PROMPT, LONG_PROMPT = 64, 16, 256  # tokens


def typical_prompt(context: int) -> int:
    """How many tokens the prompt has by which the time to a first token is judged: 64, or half of a short context."""
    return max(1, min(TYPICAL_PROMPT, context // 2))


def usual_prompts(context: int) -> tuple[int, ...]:
    """The lengths of a short, a typical and a long prompt that fit a context, rising; fewer where it is very short."""
    short, long = max(1, min(SHORT_PROMPT, context // 8)), min(LONG_PROMPT, context)
    return tuple(sorted({short, typical_prompt(context), long}))
