"""The parts of a page that tell what compression changed: which examples, and what their answers rest on.

In:  the findings of a build's account.
Out: `PageSection`s.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from edgewright.report import figures
from edgewright.report.attributions import MODELS, Attribution
from edgewright.report.sections import PageSection, Shaded, TextTable


def account_section(found: Mapping[str, Any]) -> PageSection:
    """Which classes lost, and the examples that teacher and student answer otherwise."""
    groups = [each for each in found.get("groups") or () if isinstance(each, Mapping)]
    flips = [each for each in found.get("flips") or () if isinstance(each, Mapping)]
    rows = tuple(
        (
            str(each.get("name")),
            str(each.get("count")),
            *(f"{100 * float(each.get(who, 0)):.1f} %" for who in ("teacher", "student")),
            f"{100 * (float(each.get('student', 0)) - float(each.get('teacher', 0))):+.1f}",
        )
        for each in groups
    )
    examples = tuple(
        tuple(str(each.get(name)) for name in ("text", "expected", "teacher", "student")) for each in flips
    )
    return PageSection(
        title="What compression changed",
        sentences=(
            f"Of {found.get('count')} held-out examples the student answers {found.get('lost')} worse than its teacher "
            f"and {found.get('won')} better.",
        ),
        tables=(
            TextTable(heads=("class", "examples", "teacher right", "student right", "points"), rows=rows),
            TextTable(heads=("answered worse", "right is", "the teacher says", "the student says"), rows=examples),
        ),
    )


def attributions_section(found: Sequence[Attribution], *, pictures: bool) -> PageSection:
    """What the answers that got worse rest on, the teacher's and the student's."""
    rows = tuple(
        (
            each.text,
            each.expected,
            model,
            ", ".join(f"{word} {value:+.2f}" for word, value in each.strongest(model)),
        )
        for each in found
        if each.words
        for model in MODELS
    )
    texts = tuple(
        Shaded(
            model=model,
            expected=each.expected,
            words=tuple(zip(each.words, map(_shade, each.shares(model)), strict=True)),
        )
        for each in found
        if each.words
        for model in MODELS
    )
    drawn = [figures.places(each) for each in found] if pictures else []
    return PageSection(
        title="What answers rest on",
        sentences=(
            "Of examples that the student answers worse: blue speaks for the right answer, orange against it, each "
            "beside the strongest of that model (integrated gradients).",
        ),
        tables=(TextTable(heads=("example", "right is", "to the", "says most"), rows=rows),),
        texts=texts if pictures else (),
        pictures=tuple(each for each in drawn if each is not None),
    )


def _shade(share: float) -> str:
    red, green, blue = (76, 141, 214) if share > 0 else (224, 138, 60)
    return f"rgba({red},{green},{blue},{0.7 * abs(share):.2f})"
