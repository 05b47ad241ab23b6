"""What compression changed, example by example: which groups lost, and which answers flipped.

In:  a `Score` of held-out examples, and what teacher and student say of them.
Out: `Account`: the score of each class, and the examples whose answer got worse, the worst first.
An overall score hides that a rare class pays for all others (Hooker et al. 2019, "What Do Compressed Deep Neural
Networks Forget?").
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import Tensor

from edgewright.tasks.scores import LabelScore, Score, SearchScore, TagScore, ValueScore

SHOWN = 20  # flips that are kept
LONGEST = 400  # characters of a text that are kept


@dataclass(frozen=True, kw_only=True)
class Group:
    """The examples of one class, or the words of one tag, and the share that teacher and student get right."""

    name: str
    count: int
    teacher: float
    student: float


@dataclass(frozen=True, kw_only=True)
class Flip:
    """An example, or a word, whose answer got worse: what is right, and what both say; `index` is its place there."""

    index: int
    text: str
    expected: str
    teacher: str
    student: str


@dataclass(frozen=True, kw_only=True)
class Account:
    """`lost` examples were better answered by the teacher, `won` by the student, of `count`."""

    count: int
    lost: int
    won: int
    groups: tuple[Group, ...] = ()
    flips: tuple[Flip, ...] = ()

    def document(self) -> dict[str, Any]:
        """As it stands in a manifest."""
        return asdict(self)


def account_of(score: Score, teacher: Tensor, student: Tensor) -> Account | None:
    """Compare both models' outputs, as the score takes them; None for a score of no single examples."""
    if isinstance(score, LabelScore | TagScore):
        return _of_labels(score, teacher, student)
    if isinstance(score, SearchScore):
        return _of_search(score, teacher, student)
    if isinstance(score, ValueScore):
        return _of_values(score, teacher, student)
    return None


def _of_labels(score: LabelScore | TagScore, teacher: Tensor, student: Tensor) -> Account:
    theirs, ours = score.chosen(teacher), score.chosen(student)
    was_right, is_right = theirs == score.right, ours == score.right
    groups = []
    for place in score.right.unique().tolist():
        mine = score.right == place
        groups.append(
            Group(
                name=score.known[place],
                count=int(mine.sum()),
                teacher=float(was_right[mine].float().mean()),
                student=float(is_right[mine].float().mean()),
            )
        )

    def flips() -> Iterator[Flip]:
        for index in (was_right & ~is_right).nonzero().flatten().tolist():
            yield Flip(
                index=index,
                text=_cut(score.shown(index)),
                expected=score.known[int(score.right[index])],
                teacher=_name(score.known, theirs[index]),
                student=_name(score.known, ours[index]),
            )

    return Account(
        count=len(score.right),
        lost=int((was_right & ~is_right).sum()),
        won=int((is_right & ~was_right).sum()),
        groups=tuple(sorted(groups, key=lambda group: group.student - group.teacher)),
        flips=_first(flips()),
    )


def _of_search(score: SearchScore, teacher: Tensor, student: Tensor) -> Account:
    before, after = score.ranks(teacher), score.ranks(student)
    loss = 1 / before - 1 / after

    def flips() -> Iterator[Flip]:
        for index in _worst(loss):
            yield Flip(
                index=index,
                text=_cut(score.queries[index]),
                expected=_cut(score.candidates[int(score.right[index])]),
                teacher=f"rank {before[index]:g}",
                student=f"rank {after[index]:g}",
            )

    return Account(count=len(before), lost=int((loss > 0).sum()), won=int((loss < 0).sum()), flips=_first(flips()))


def _of_values(score: ValueScore, teacher: Tensor, student: Tensor) -> Account:
    right = torch.tensor(list(score.values), dtype=torch.float64)
    said = [score.scale.restored(outputs.detach().flatten().cpu().double()) for outputs in (teacher, student)]
    theirs, ours = ((each - right).abs() for each in said)
    worse = ours - theirs

    def flips() -> Iterator[Flip]:
        for index in _worst(worse):
            yield Flip(
                index=index,
                text=_cut(score.shown(index)),
                expected=f"{right[index]:.4g}",
                teacher=f"{said[0][index]:.4g}",
                student=f"{said[1][index]:.4g}",
            )

    return Account(count=len(right), lost=int((worse > 0).sum()), won=int((worse < 0).sum()), flips=_first(flips()))


def _worst(loss: Tensor) -> list[int]:
    """The examples that lost anything, the one that lost most first; what is no number is lost."""
    order = loss.argsort(descending=True, stable=True)
    found: list[int] = order[~(loss[order] <= 0)].tolist()
    return found


def _first(flips: Iterator[Flip]) -> tuple[Flip, ...]:
    return tuple(flip for _, flip in zip(range(SHOWN), flips, strict=False))


def _name(known: Sequence[str], place: Tensor) -> str:
    return known[int(place)] if place >= 0 else "no number"


def _cut(text: str) -> str:
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 1]}…"
