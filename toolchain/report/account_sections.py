"""The parts of a page that tell what compression changed: which examples, and what their answers rest on.

In:  the findings of a build's account.
Out: `PageSection`s.
"""

from __future__ import annotations

from collections.abc import Sequence

from edgewright.bundles.attributions import MODELS, Attribution, GridAttribution, WordAttribution
from edgewright.bundles.findings import AccountRecord, AgreementRecord, GroupRecord, WritingRecord
from edgewright.report import figures
from edgewright.report.sections import UNKNOWN, Cells, PageSection, Shaded, TextTable

NOT_RECORDED = "not recorded"


def account_section(account: AccountRecord) -> PageSection:
    """Which classes lost, and the examples that teacher and student answer otherwise."""
    count, lost, won = (NOT_RECORDED if each is None else each for each in (account.count, account.lost, account.won))
    rows = tuple(map(_group_row, account.groups))
    examples = tuple((each.text, each.expected, each.teacher, each.student) for each in account.flips)
    return PageSection(
        title="What compression changed",
        sentences=(
            f"Of {count} held-out examples the student answers {lost} worse than its teacher and {won} better.",
            *([_agreed(account.agreement)] if account.agreement else []),
        ),
        tables=(
            TextTable(heads=("class", "examples", "teacher right", "student right", "points"), rows=rows),
            TextTable(heads=("answered worse", "right is", "the teacher says", "the student says"), rows=examples),
        ),
    )


def writing_section(writing: WritingRecord) -> PageSection:
    """What teacher and student write after held-out prompts, and what retrieval would."""
    by = {"nearest": "completion of the nearest training prompt (TF-IDF)"}
    rows = tuple((by.get(who, who), _share(rouge), _share(exact)) for who, rouge, exact in writing.figures)
    examples = tuple((each.text, each.expected, each.teacher, each.student) for each in writing.examples)
    return PageSection(
        title="What is written",
        sentences=(
            f"After {NOT_RECORDED if writing.count is None else writing.count} held-out prompts, greedily; after "
            f"{_share(writing.equal)} of them student and teacher write the same.",
        ),
        tables=(
            TextTable(heads=("", "ROUGE-L", "exact"), rows=rows),
            TextTable(heads=("after", "is wanted", "the teacher writes", "the student writes"), rows=examples),
        ),
    )


def _agreed(found: AgreementRecord) -> str:
    tokens = NOT_RECORDED if found.tokens is None else f"{found.tokens:,}"
    return (
        f"Of {tokens} held-out tokens the student takes the same for likeliest as its teacher in {_share(found.same)} "
        f"({_share(found.sure)} where the teacher is sure), and one of the teacher's first five in "
        f"{_share(found.among_first)}."
    )


def _share(share: float | None) -> str:
    return UNKNOWN if share is None else f"{100 * share:.1f} %"


def _group_row(group: GroupRecord) -> Cells:
    teacher, student = group.teacher, group.student
    return (
        group.name,
        UNKNOWN if group.count is None else str(group.count),
        *(UNKNOWN if share is None else f"{100 * share:.1f} %" for share in (teacher, student)),
        UNKNOWN if teacher is None or student is None else f"{100 * (student - teacher):+.1f}",
    )


def attributions_section(attributions: Sequence[Attribution], *, pictures: bool) -> PageSection:
    """What the answers that got worse rest on, the teacher's and the student's."""
    texts = [each for each in attributions if isinstance(each, WordAttribution)]
    images = [each for each in attributions if isinstance(each, GridAttribution)]
    rows = tuple(
        (
            each.text,
            each.expected,
            model,
            ", ".join(f"{word} {value:+.2f}" for word, value in each.strongest(model)),
        )
        for each in texts
        for model in MODELS
    )
    shaded = tuple(
        Shaded(
            model=model,
            expected=each.expected,
            words=tuple(zip(each.words, map(_shade, each.shares(model)), strict=True)),
        )
        for each in texts
        for model in MODELS
    )
    return PageSection(
        title="What answers rest on",
        sentences=(
            "Of examples that the student answers worse: blue speaks for the right answer, orange against it, each "
            "beside the strongest of that model (integrated gradients).",
        ),
        tables=(TextTable(heads=("example", "right is", "to the", "says most"), rows=rows),),
        texts=shaded if pictures else (),
        pictures=tuple(map(figures.places, images)) if pictures else (),
    )


def _shade(share: float) -> str:
    red, green, blue = (76, 141, 214) if share > 0 else (224, 138, 60)
    return f"rgba({red},{green},{blue},{0.7 * abs(share):.2f})"
