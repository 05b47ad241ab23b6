"""Whether two artifacts of one model write the same tokens, but for ties that their rounding decides.

In:  sessions of both, and prompts as ids.
Out: `TokenEquality`: how many tokens are the same, and of each prompt where they first differ, by what gap.
Where two tokens are all but equally likely any rounding chooses between them, and from there on texts differ. Such a
difference is a tie when both artifacts prefer their own token by no more than their logits differ where they agree.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from edgewright.measure.prompts import generation_of
from edgewright.measure.text_reading import Logits, Run, prefill_sizes, reading_call
from edgewright.specs.signature import Signature

LIKELIEST = 10  # tokens whose logits are compared, of each step: others are never chosen


@dataclass(frozen=True, kw_only=True)
class GreedyText:
    """The greedy tokens after a prompt, each with the logits (vocabulary,) that chose it."""

    tokens: tuple[int, ...]
    logits: tuple[Logits, ...]


@dataclass(frozen=True, kw_only=True)
class Parting:
    """Where two texts part: after so many equal tokens, with the `gap` by which both together prefer their own."""

    prompt: int
    place: int
    tokens: tuple[int, int]
    gap: float


@dataclass(frozen=True, kw_only=True)
class TokenEquality:
    """How far greedy texts are the same.

    `compared` tokens were written up to where texts part, `equal` of them are the same. `error` is the largest
    difference between both artifacts' logits of likely tokens where the tokens were equal.
    """

    prompts: int
    compared: int
    equal: int
    error: float
    partings: tuple[Parting, ...]

    @property
    def wrong(self) -> tuple[Parting, ...]:
        """Those that are no ties: the gap is more than the error of two logits in each of two artifacts explains."""
        return tuple(each for each in self.partings if not each.gap <= 2 * self.error)

    @property
    def passed(self) -> bool:
        """Whether texts are the same but for ties."""
        return self.compared > 0 and not self.wrong

    def sentence(self) -> str:
        """What was found."""
        ties = len(self.partings) - len(self.wrong)
        found = f"{self.equal} of {self.compared} greedy tokens after {self.prompts} prompts are the same"
        found += f", {ties} texts part at a tie (logits differ by up to {self.error:.3g})"
        if self.wrong:
            worst = max(self.wrong, key=lambda each: each.gap)
            found += (
                f"; the text of prompt {worst.prompt + 1} parts after {worst.place} tokens by a gap of "
                f"{worst.gap:.3g}, which rounding does not explain"
            )
        return found


def write_greedy(run: Run, signature: Signature, prompt: Sequence[int], count: int) -> GreedyText:
    """Read a prompt by the largest prefills that fit, and write up to `count` tokens; a stop id is the last."""
    plan = generation_of(signature)
    sizes = prefill_sizes(signature.method(plan.prefill))
    at, logits = 0, np.zeros(0, dtype=np.float32)
    while at < len(prompt):
        size = max((each for each in sizes if each <= len(prompt) - at), default=1)
        logits = _logits(run, signature, prompt[at : at + size], at)
        at += size
    tokens: list[int] = []
    seen: list[Logits] = []
    while True:
        tokens.append(int(logits.argmax()))
        seen.append(logits)
        if len(tokens) == count or tokens[-1] in plan.stop or at == plan.context:
            return GreedyText(tokens=tuple(tokens), logits=tuple(seen))
        logits = _logits(run, signature, tokens[-1:], at)
        at += 1


def compared_texts(pairs: Iterable[tuple[GreedyText, GreedyText]]) -> TokenEquality:
    """Compare what two artifacts wrote after the same prompts."""
    prompts = compared = equal = 0
    error, partings = 0.0, list[Parting]()
    for ours, theirs in pairs:
        place = next(
            (at for at, both in enumerate(zip(ours.tokens, theirs.tokens, strict=False)) if both[0] != both[1]), None
        )
        same = min(len(ours.tokens), len(theirs.tokens)) if place is None else place
        error = max([error, *_errors(ours, theirs, same)])
        if place is not None:
            partings.append(_difference(ours, theirs, prompts, place))
        prompts, equal, compared = prompts + 1, equal + same, compared + same + (place is not None)
    return TokenEquality(prompts=prompts, compared=compared, equal=equal, error=error, partings=tuple(partings))


def compare_greedy(
    first: tuple[Run, Signature], second: tuple[Run, Signature], prompts: Sequence[Sequence[int]], count: int
) -> TokenEquality:
    """Have two artifacts write up to `count` tokens after each prompt, and compare them."""
    return compared_texts(
        (write_greedy(*first, prompt, count), write_greedy(*second, prompt, count)) for prompt in prompts
    )


def _errors(ours: GreedyText, theirs: GreedyText, same: int) -> Iterator[float]:
    for one, other in zip(ours.logits[:same], theirs.logits[:same], strict=True):
        likely = np.argpartition(one, -min(LIKELIEST, len(one)))[-LIKELIEST:]
        yield float(np.abs(one[likely] - other[likely]).max())


def _difference(ours: GreedyText, theirs: GreedyText, prompt: int, place: int) -> Parting:
    one, other = ours.tokens[place], theirs.tokens[place]
    mine, yours = ours.logits[place], theirs.logits[place]
    gap = float(mine[one] - mine[other]) + float(yours[other] - yours[one])
    return Parting(prompt=prompt, place=place, tokens=(one, other), gap=gap)


def _logits(run: Run, signature: Signature, ids: Sequence[int], at: int) -> Logits:
    plan = generation_of(signature)
    method = signature.method(plan.decode if len(ids) == 1 else plan.prefill)
    return np.asarray(run(reading_call(method, signature, ids, at))[plan.logits], dtype=np.float32).reshape(-1)
