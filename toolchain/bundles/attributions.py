"""What answers rest on, the teacher's and the student's beside each other, as a build recorded it.

In:  the findings of a build's account, which may be of an earlier version or no build's at all.
Out: for each example its words or its image, and for both models what each word or place says for the right answer.
How it is drawn is the reports' concern.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TypeGuard

from edgewright.base.fields import Fields

STRONGEST = 5  # words that a table names
MODELS = ("teacher", "student")
Grey = tuple[tuple[float, ...], ...]


@dataclass(frozen=True, kw_only=True)
class WordAttribution:
    """Of one text that the student answers worse; `says` is by model, one number for each word."""

    text: str
    expected: str
    words: tuple[str, ...]
    says: Mapping[str, tuple[float, ...]]

    def shares(self, model: str) -> tuple[float, ...]:
        """What each word says for the answer, as a share of what the strongest says."""
        values = self.says[model]
        strongest = max(map(abs, values), default=0.0) or 1.0
        return tuple(value / strongest for value in values)

    def strongest(self, model: str) -> tuple[tuple[str, float], ...]:
        """The words that say most for or against the answer, with what they say."""
        pairs = zip(self.words, self.says[model], strict=True)
        return tuple(sorted(pairs, key=lambda pair: -abs(pair[1]))[:STRONGEST])


@dataclass(frozen=True, kw_only=True)
class GridAttribution:
    """Of one image that the student answers worse, in rows of grey; `says` is by model, as many rows."""

    text: str
    expected: str
    image: Grey
    says: Mapping[str, Grey]


Attribution = WordAttribution | GridAttribution


def attributions_of(account: Fields) -> tuple[Attribution, ...]:
    """Those that are complete. Raises nothing."""
    return tuple(_attributions(account))


def _attributions(account: Fields) -> Iterator[Attribution]:
    recorded, flips = account.value("attributions"), account.value("flips")
    if not isinstance(recorded, list) or not isinstance(flips, list):
        return
    for each, flip in zip(recorded, flips, strict=False):
        if not isinstance(each, Mapping) or not isinstance(flip, Mapping):
            continue
        text, expected, shown = str(flip.get("text")), str(flip.get("expected")), each.get("shown")
        if _is_words(shown):
            words = {model: values for model in MODELS if _is_numbers(values := each.get(model), len(shown))}
            if len(words) == len(MODELS):
                says = {model: tuple(values) for model, values in words.items()}
                yield WordAttribution(text=text, expected=expected, words=tuple(shown), says=says)
        elif _is_rows(shown):
            images = {model: rows for model in MODELS if _is_rows(rows := each.get(model)) and len(rows) == len(shown)}
            if len(images) == len(MODELS):
                drawn = {model: tuple(map(tuple, rows)) for model, rows in images.items()}
                yield GridAttribution(text=text, expected=expected, image=tuple(map(tuple, shown)), says=drawn)


def _is_words(value: object) -> TypeGuard[list[str]]:
    return isinstance(value, list) and bool(value) and all(isinstance(each, str) for each in value)


def _is_numbers(value: object, count: int) -> TypeGuard[list[float]]:
    return (
        isinstance(value, list)
        and len(value) == count
        and all(isinstance(each, int | float) and math.isfinite(each) for each in value)
    )


def _is_rows(value: object) -> TypeGuard[list[list[float]]]:
    if not isinstance(value, list) or not value or not isinstance(value[0], list) or not value[0]:
        return False
    return all(_is_numbers(row, len(value[0])) for row in value)
