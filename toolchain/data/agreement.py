"""Whether a task's examples agree: the same text or image with different answers, or in two parts that are kept apart.

In:  the parts' examples, each as a key that is the same for equal ones, its answer, and its name for a person.
Out: `Agreement`: counts, a few examples, and sentences for whoever builds.
Neither is refused: people label alike things differently, and that is the data's truth. Both are reported, for no model
answers a contradiction right, and a score on what was trained on is no score. (Train and test that share an example are
refused where they are read.)
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import combinations

EXAMPLES = 3
SHOWN = 60  # characters of a text
ANSWERS_SHOWN = 4


@dataclass(frozen=True, kw_only=True)
class Row:
    """An example: what tells it from others, what is to be answered (None where nothing is compared), and its name."""

    key: Hashable
    answer: Hashable | None
    name: str


@dataclass(frozen=True, kw_only=True)
class Contradiction:
    """One example that stands with several answers, the most frequent first."""

    name: str
    answers: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Agreement:
    """How many different examples have more than one answer, in how many rows; and how many stand in two parts."""

    contradictory: int
    contradictory_rows: int
    examples: tuple[Contradiction, ...]
    shared: Mapping[str, int]

    def document(self) -> dict[str, object]:
        """What a manifest keeps of it."""
        return asdict(self)

    def sentences(self, noun: str) -> Iterator[str]:
        """What whoever builds should know; `noun` is "texts" or "images"."""
        if self.contradictory:
            first = self.examples[0]
            yield (
                f"{self.contradictory:,} {noun} stand in the data with different answers ({self.contradictory_rows:,} "
                f"rows), such as {first.name!r} as {' and as '.join(first.answers)}: no model can answer all of these "
                "rows; correct or remove them"
            )
        for parts, count in self.shared.items():
            yield (
                f"{count:,} {noun} stand in both {parts}: a score on one of these parts says less than it seems; "
                "remove them from one"
            )


def agreement_of(parts: Mapping[str, Sequence[Row]]) -> Agreement:
    """Count over all parts; an example that a part holds twice counts once for what parts share."""
    answers: dict[Hashable, dict[Hashable, int]] = {}
    names: dict[Hashable, str] = {}
    for row in (row for rows in parts.values() for row in rows):
        if row.answer is not None:
            counts = answers.setdefault(row.key, {})
            counts[row.answer] = counts.get(row.answer, 0) + 1
            names.setdefault(row.key, row.name)
    torn = {key: counts for key, counts in answers.items() if len(counts) > 1}
    keys = {name: {row.key for row in rows} for name, rows in parts.items()}
    shared = {f"{one} and {other}": len(keys[one] & keys[other]) for one, other in combinations(parts, 2)}
    return Agreement(
        contradictory=len(torn),
        contradictory_rows=sum(sum(counts.values()) for counts in torn.values()),
        examples=tuple(
            Contradiction(name=_short(names[key]), answers=_answers(counts))
            for key, counts in sorted(torn.items(), key=lambda each: (-sum(each[1].values()), names[each[0]]))[
                :EXAMPLES
            ]
        ),
        shared={parts: count for parts, count in shared.items() if count},
    )


def _answers(counts: Mapping[Hashable, int]) -> tuple[str, ...]:
    ordered = sorted(counts, key=lambda answer: (-counts[answer], str(answer)))
    labels = [_short(" ".join(each) if isinstance(each, tuple) else str(each)) for each in ordered[:ANSWERS_SHOWN]]
    return (*labels, f"{len(ordered) - ANSWERS_SHOWN} more") if len(ordered) > ANSWERS_SHOWN else tuple(labels)


def _short(text: str) -> str:
    return text if len(text) <= SHOWN else f"{text[: SHOWN - 1]}…"
