"""Which part an example falls into, and whether the parts' labels can be learned.

In:  a key of an example, the shares to hold out; or the labels of each part.
Out: "train", "validation" or "test", the same on every machine; or a `BadDataError`.
"""

import hashlib
from collections.abc import Collection, Iterable, Sequence
from typing import Literal

from edgewright.errors import BadDataError

SplitName = Literal["train", "validation", "test"]
PARTS: tuple[SplitName, ...] = ("train", "validation", "test")
NAMES_SHOWN = 5


def share_of(key: str) -> float:
    """A number from 0 up to 1 that depends on `key` alone, the same on every machine and in every run."""
    return int.from_bytes(hashlib.sha256(key.encode()).digest()[:8], "big") / 2**64


def part_of(key: str, *, test: float, validation: float) -> SplitName:
    """The part an example with this key falls into when these shares are held out."""
    share = share_of(key)
    return "test" if share < test else "validation" if share < test + validation else "train"


def check_sizes(sizes: Iterable[tuple[str, int]]) -> None:
    """Raises `BadDataError` when one of these (part, number of examples) is empty."""
    for name, size in sizes:
        if not size:
            raise BadDataError(f"the {name} split is empty; add rows, or change data.split")


def check_labels(train: Collection[str], held_out: Iterable[str], configured: Sequence[str]) -> None:
    """Raises `BadDataError` when held-out rows have labels that training does not show, or there is only one label.

    Labels that the recipe configures count as known: a class may be rare enough to be missing from a small train part.
    """
    known = {*train, *configured}
    if unseen := sorted(set(held_out) - known):
        raise BadDataError(
            f"labels {shortened(unseen)} stand in held-out rows but not in the train split; add rows with them"
        )
    if len(set(train)) < 2:
        raise BadDataError(f"the train split has only the label {', '.join(train)}; two or more are needed")


def shortened(names: Sequence[str]) -> str:
    """The first few of many names, and how many more there are."""
    more = f" and {len(names) - NAMES_SHOWN} more" if len(names) > NAMES_SHOWN else ""
    return ", ".join(names[:NAMES_SHOWN]) + more
