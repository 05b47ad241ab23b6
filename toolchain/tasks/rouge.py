"""How far a text that was written is the one that was wanted: ROUGE-L, the longest words in common in their order.

In:  two texts.
Out: a share from 0 to 1.
Lin 2004, "ROUGE: A Package for Automatic Evaluation of Summaries", section 3.1, as an F1 of sentences' words; a word is
a run of letters and digits, in lower case, as the package `rouge-score` has it without its stemmer. Letters of all
scripts count here.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

_WORD = re.compile(r"[^\W_]+")


def rouge_l(written: str, wanted: str) -> float:
    """F1 of the longest common subsequence of their words; of two texts without words, 1 where they are equal."""
    ours, theirs = _words(written), _words(wanted)
    if not ours and not theirs:
        return float(written.strip() == wanted.strip())
    return 2 * _in_common(ours, theirs) / (len(ours) + len(theirs))


def _words(text: str) -> list[str]:
    return _WORD.findall(text.lower())


def _in_common(one: Sequence[str], other: Sequence[str]) -> int:
    """The length of the longest common subsequence."""
    lengths = [0] * (len(other) + 1)
    for word in one:
        before = 0
        for place, against in enumerate(other, start=1):
            above = lengths[place]
            lengths[place] = before + 1 if word == against else max(above, lengths[place - 1])
            before = above
    return lengths[-1]
