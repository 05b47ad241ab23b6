"""What answers rest on, the teacher's and the student's beside each other, as a build found it.

In:  the findings of a build's account, which may be of an earlier version or no build's at all.
Out: `Attribution`: words or an image, and for both models what each word or place says for the right answer.
How it is drawn is `page`'s and `figures`' concern.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, TypeGuard

STRONGEST = 5  # words that a table names
MODELS = ("teacher", "student")


@dataclass(frozen=True, kw_only=True)
class Attribution:
    """Of one example that the student answers worse. Of `words` and `image` one is there; `says` is by model."""

    text: str
    expected: str
    words: tuple[str, ...] = ()
    image: tuple[tuple[float, ...], ...] = ()
    says: Mapping[str, tuple[Any, ...]]

    def shares(self, model: str) -> tuple[float, ...]:
        """What each word says for the answer, as a share of what the strongest says."""
        values = self.says[model]
        strongest = max(map(abs, values), default=0.0) or 1.0
        return tuple(value / strongest for value in values)

    def strongest(self, model: str) -> tuple[tuple[str, float], ...]:
        """The words that say most for or against the answer, with what they say."""
        pairs = zip(self.words, self.says[model], strict=True)
        return tuple(sorted(pairs, key=lambda pair: -abs(pair[1]))[:STRONGEST])


def attributions_of(account: Mapping[str, Any]) -> tuple[Attribution, ...]:
    """Those that are whole. Raises nothing."""
    return tuple(_found(account))


def _found(account: Mapping[str, Any]) -> Iterator[Attribution]:
    given, flips = account.get("attributions"), account.get("flips")
    if not isinstance(given, list) or not isinstance(flips, list):
        return
    for each, flip in zip(given, flips, strict=False):
        if not isinstance(each, Mapping) or not isinstance(flip, Mapping):
            continue
        text, expected = str(flip.get("text")), str(flip.get("expected"))
        says: dict[str, Any] = {name: each.get(name) for name in MODELS}
        shown: Any = each.get("shown")
        if _words(shown) and all(_numbers(values, len(shown)) for values in says.values()):
            told = {name: tuple(values) for name, values in says.items()}
            yield Attribution(text=text, expected=expected, words=tuple(shown), says=told)
        elif _rows(shown) and all(_rows(rows) and len(rows) == len(shown) for rows in says.values()):
            told = {name: tuple(map(tuple, rows)) for name, rows in says.items()}
            yield Attribution(text=text, expected=expected, image=tuple(map(tuple, shown)), says=told)


def _words(found: Any) -> TypeGuard[list[str]]:
    return isinstance(found, list) and bool(found) and all(isinstance(each, str) for each in found)


def _numbers(found: Any, count: int) -> TypeGuard[list[float]]:
    return (
        isinstance(found, list)
        and len(found) == count
        and all(isinstance(each, int | float) and math.isfinite(each) for each in found)
    )


def _rows(found: Any) -> TypeGuard[list[list[float]]]:
    if not isinstance(found, list) or not found or not isinstance(found[0], list) or not found[0]:
        return False
    return all(_numbers(row, len(found[0])) for row in found)
