"""Whether an artifact writes on a device what it wrote where it was built.

In:  the bundle's `ExpectedTexts`, and what the device wrote after the same prompts.
Out: `TextParity`: how near the logits of first steps are, and how far the greedy tokens agree.
Another core's kernels round otherwise, so where two ids were about as likely either may come: such a tie ends the
comparison of that text, and anything else that differs is a fault.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from typing_extensions import override

from edgewright.base.json_values import JsonObject
from edgewright.bundles.expected_texts import ExpectedText, ExpectedTexts
from edgewright.measure.generation_documents import GeneratedText
from edgewright.measure.parity import Parity, compare

TIE = 4.0  # a difference in two logits, as so many times the largest error of any logit, decides nothing
LEAST_TIE = 1e-4  # logits' units: the sums of two runtimes' versions differ by that


@dataclass(frozen=True, kw_only=True)
class TextParity(Parity):
    """Of `tokens` that were expected after `texts` prompts, `compared` came before any tie, and agreed.

    `ties` are the texts that went on otherwise where two ids were about as likely; `fault` says of the first that did
    so without being a tie. The cosine and the error are of the logits of first steps.
    """

    texts: int
    tokens: int
    compared: int
    ties: int
    fault: str = ""

    @override
    def document(self) -> JsonObject:
        """As `bench --json` prints it."""
        return {
            "passed": self.passed,
            "cosine_min": self.cosine_min,
            "max_abs_error": self.max_abs_error,
            "cosine_limit": self.cosine_limit,
            "texts": self.texts,
            "tokens": self.tokens,
            "tokens_agreed": self.compared,
            "ties": self.ties,
            "fault": self.fault or None,
        }


def text_parity(expected: Sequence[ExpectedText], written: Sequence[GeneratedText]) -> TextParity:
    """Compare texts with those that are expected, in the same order; one that is missing never passes."""
    of_logits = compare(
        [{"logits": each.first_logits} if each.first_logits.size else {} for each in written],
        [{"logits": each.logits} for each in expected],
    )
    error = of_logits.max_abs_error
    tie = LEAST_TIE if error is None else max(LEAST_TIE, TIE * error)
    compared, ties, faults = 0, 0, list[str]()
    for number, (wanted, found) in enumerate(zip(expected, written, strict=False), 1):
        agreed = _agreed(wanted.tokens, found.tokens)
        compared += agreed
        if agreed == len(wanted.tokens):
            continue
        if agreed < len(found.tokens) and wanted.margins[agreed] <= tie:
            ties += 1
        else:
            faults.append(_fault(number, agreed, wanted, found))
    return TextParity(
        passed=of_logits.passed and not faults,
        cosine_min=of_logits.cosine_min,
        max_abs_error=error,
        cosine_limit=of_logits.cosine_limit,
        outputs=of_logits.outputs,
        texts=len(expected),
        tokens=sum(len(each.tokens) for each in expected),
        compared=compared,
        ties=ties,
        fault=faults[0] if faults else "",
    )


def first_texts(expected: ExpectedTexts, most: int | None) -> ExpectedTexts:
    """As many of them as are to be compared."""
    return ExpectedTexts(max_tokens=expected.max_tokens, texts=expected.texts[:most])


def _agreed(wanted: Sequence[int], found: Sequence[int]) -> int:
    """How many are the same from the first on."""
    pairs = zip(wanted, found, strict=False)
    return next((place for place, (one, other) in enumerate(pairs) if one != other), min(len(wanted), len(found)))


def _fault(number: int, place: int, wanted: ExpectedText, found: GeneratedText) -> str:
    came = f"the id {found.tokens[place]}" if place < len(found.tokens) else "nothing"
    return (
        f"text {number} has {came} as its token {place + 1}, where {wanted.tokens[place]} is expected, which was the "
        f"likeliest by {wanted.margins[place]:.3g}"
    )
