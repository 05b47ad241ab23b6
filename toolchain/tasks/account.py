"""What compression changed, example by example: which groups lost, and which answers flipped.

In:  a `Score` of held-out examples, and what teacher and student say of them.
Out: `Account`: the score of each class, and the examples whose answer got worse, the worst first.
An overall score hides that a rare class pays for all others (Hooker et al. 2019, "What Do Compressed Deep Neural
Networks Forget?").
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Protocol

from torch import Tensor

if TYPE_CHECKING:
    from edgewright.tasks.scores import Score

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

    def document(self) -> dict[str, object]:
        """As it stands in a manifest."""
        return asdict(self)


def account_of(score: Score, teacher: Tensor, student: Tensor) -> Account | None:
    """Compare both models' outputs, as the score takes them; None for a score of no single examples."""
    return score.account(teacher, student)


class Chooses(Protocol):
    """A score of examples, or words, of each of which one of several known names is right."""

    @property
    def known(self) -> Sequence[str]: ...  # noqa: D102
    @property
    def right(self) -> Tensor: ...  # noqa: D102
    def chosen(self, outputs: Tensor) -> Tensor: ...  # noqa: D102
    def shown(self, index: int) -> str: ...  # noqa: D102


def account_of_choices(score: Chooses, teacher: Tensor, student: Tensor) -> Account:
    """The classes that lost most first, and the examples that the teacher got right and the student does not."""
    theirs, ours = score.chosen(teacher), score.chosen(student)
    was_right, is_right = theirs == score.right, ours == score.right

    def flips() -> Iterator[Flip]:
        for index in (was_right & ~is_right).nonzero().flatten().tolist():
            yield Flip(
                index=index,
                text=shortened(score.shown(index)),
                expected=score.known[int(score.right[index])],
                teacher=_name(score.known, theirs[index]),
                student=_name(score.known, ours[index]),
            )

    return Account(
        count=len(score.right),
        lost=int((was_right & ~is_right).sum()),
        won=int((is_right & ~was_right).sum()),
        groups=_groups(score, was_right, is_right),
        flips=_first(flips()),
    )


def account_of_losses(loss: Tensor, flip: Callable[[int], Flip]) -> Account:
    """By how much each example got worse, (examples,), below 0 where it got better; `flip` shows one of them."""
    return Account(
        count=len(loss),
        lost=int((loss > 0).sum()),
        won=int((loss < 0).sum()),
        flips=_first(flip(index) for index in _worst(loss)),
    )


def shortened(text: str) -> str:
    """As much of a text as is kept."""
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 1]}…"


def _groups(score: Chooses, was_right: Tensor, is_right: Tensor) -> tuple[Group, ...]:
    groups = []
    for place in score.right.unique().tolist():
        members = score.right == place
        groups.append(
            Group(
                name=score.known[place],
                count=int(members.sum()),
                teacher=float(was_right[members].float().mean()),
                student=float(is_right[members].float().mean()),
            )
        )
    return tuple(sorted(groups, key=lambda group: group.student - group.teacher))


def _worst(loss: Tensor) -> list[int]:
    """The examples that lost anything, the one that lost most first; what is no number is lost."""
    order = loss.argsort(descending=True, stable=True)
    worse: list[int] = order[~(loss[order] <= 0)].tolist()
    return worse


def _first(flips: Iterator[Flip]) -> tuple[Flip, ...]:
    return tuple(flip for _, flip in zip(range(SHOWN), flips, strict=False))


def _name(known: Sequence[str], place: Tensor) -> str:
    return known[int(place)] if place >= 0 else "no number"
