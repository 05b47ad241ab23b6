"""The faults of one file or folder of examples, gathered so that all are reported at once.

In:  what is wrong, where, and what to do about it.
Out: one `BadDataError` that shows the first few and counts the rest.
"""

from collections.abc import Sequence
from pathlib import Path

from edgewright.errors import BadDataError

FAULTS_SHOWN = 5


class Faults:
    """Faults in the order they were found, and each remedy once."""

    def __init__(self, place: Path) -> None:
        self.place = place
        self._found: list[str] = []
        self._remedies: dict[str, None] = {}

    def __len__(self) -> int:
        return len(self._found)

    def add(self, where: str, what: str, remedy: str) -> None:
        """Note a fault; `remedy` completes the error's sentence, once however often it is given."""
        self._found.append(f"{where}: {what}")
        self._remedies[remedy] = None

    def raise_any(self) -> None:
        """Raises one `BadDataError` where there are faults; those that are not shown are counted."""
        raise_faults(self.place, self._found, "; ".join(self._remedies))


def raise_faults(path: Path, faults: Sequence[str], remedy: str) -> None:
    """Raises one `BadDataError` for all faults of a file or folder; those that are not shown are counted."""
    if faults:
        more = f" and {len(faults) - FAULTS_SHOWN:,} more" if len(faults) > FAULTS_SHOWN else ""
        raise BadDataError(f"{path}: {'; '.join(faults[:FAULTS_SHOWN])}{more}; {remedy}")
