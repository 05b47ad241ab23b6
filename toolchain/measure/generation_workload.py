"""What an artifact that generates is asked to write while it is timed.

In:  how it generates, the lengths of prompts and the contexts that are wanted, and ids to make prompts of.
Out: `GenerationWorkload`: a pass of prompts, which is repeated, and which of a pass's times are of which figure.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import cycle, islice

from edgewright.errors import InputError
from edgewright.measure.prompts import Decoding, Prompt, generation_of
from edgewright.specs.generation import Generation, typical_prompt, usual_prompts
from edgewright.specs.signature import Signature

TOKENS = 16  # that are timed at each context, in each pass
NEAR_THE_START = 32  # tokens of context
MOST_LENGTHS = 20


@dataclass(frozen=True, kw_only=True)
class GenerationWorkload:
    """Prompts of some lengths, after each of which the first token is timed, and contexts at which more are.

    At each of the `contexts` so many `tokens` are written, the last of which comes to stand behind so many others less
    one: the prompt before them has as many fewer. The `typical` length is the one that a budget is judged by.
    """

    prompts: tuple[int, ...]
    contexts: tuple[int, ...]
    tokens: int
    typical: int

    @property
    def texts(self) -> int:
        """How many prompts a pass has."""
        return len(self.prompts) + len(self.contexts)

    @property
    def samples(self) -> int:
        """How many times are taken in a pass."""
        return len(self.prompts) + self.tokens * len(self.contexts)

    @property
    def asked_tokens(self) -> int:
        """How many tokens a pass reads or writes in all."""
        return sum(self.prompts) + sum(self.contexts)

    def one_pass(self, ids: Sequence[int]) -> tuple[Prompt, ...]:
        """A pass, longest prompts first; prompts are made of the ids, again and again from the first one on."""
        first = Decoding(max_tokens=1)
        more = Decoding(max_tokens=self.tokens + 1)  # the first of them comes of reading the prompt
        asked = [
            *((length, first) for length in reversed(self.prompts)),
            *((context - self.tokens, more) for context in reversed(self.contexts)),
        ]
        return tuple(Prompt(ids=tuple(islice(cycle(ids), length)), decoding=each) for length, each in asked)


def workload_of(
    signature: Signature, *, prompts: Sequence[int] = (), contexts: Sequence[int] = (), typical: bool = False
) -> GenerationWorkload:
    """What to ask an artifact: the usual lengths and contexts where none are named; with `typical` that length, too.

    Raises `InputError` for an artifact that does not generate, and for what does not fit its context.
    """
    plan = generation_of(signature)
    if plan.context < 2:
        raise InputError("the artifact's context holds one token, after which none can be written; build it with more")
    usual = typical_prompt(plan.context)
    _require_fitting(plan, prompts, "a prompt", least=1)
    _require_fitting(plan, contexts, "a context", least=2)
    lengths = {*(prompts or usual_prompts(plan.context)), *([usual] if typical else ())}
    at = sorted({*contexts} if contexts else {min(NEAR_THE_START, plan.context), plan.context})
    return GenerationWorkload(
        prompts=tuple(sorted(lengths)),
        contexts=tuple(at),
        tokens=min(TOKENS, at[0] - 1),
        typical=min(lengths, key=lambda each: (abs(each - usual), each)),
    )


def without_stops(signature: Signature) -> Signature:
    """The same artifact, whose text is ended by no id: times are taken of as many tokens as are asked for."""
    plan = generation_of(signature)
    return signature.model_copy(update={"generation": plan.model_copy(update={"stop": ()})})


def _require_fitting(plan: Generation, lengths: Sequence[int], what: str, *, least: int) -> None:
    if len(set(lengths)) > MOST_LENGTHS:
        raise InputError(f"{len(set(lengths))} lengths are too many to measure at once; name {MOST_LENGTHS} at most")
    for length in lengths:
        if length < least:
            raise InputError(f"{what} of {length} tokens cannot be measured; name {least} at least")
        if length > plan.context:
            raise InputError(
                f"{what} of {length} tokens is {length - plan.context} more than the artifact's context of "
                f"{plan.context}; name fewer, or build it with a larger stages.export.context"
            )
