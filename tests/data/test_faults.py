"""Faults are told at once: the first few by name, the others by their number, each remedy once."""

from pathlib import Path

import pytest

from edgewright.data.faults import FAULTS_SHOWN, Faults, raise_faults
from edgewright.errors import BadDataError

PLACE = Path("rows.csv")


def test_no_faults_are_no_error() -> None:
    faults = Faults(PLACE)
    faults.raise_any()
    raise_faults(PLACE, [], "mend them")
    assert len(faults) == 0


def test_faults_are_reported_in_their_order_with_each_remedy_once() -> None:
    faults = Faults(PLACE)
    faults.add("row 2", "no text", "write one")
    faults.add("row 1", "no label", "name one")
    faults.add("row 3", "no text", "write one")
    assert len(faults) == 3
    with pytest.raises(BadDataError) as caught:
        faults.raise_any()
    assert str(caught.value) == "rows.csv: row 2: no text; row 1: no label; row 3: no text; write one; name one"


@pytest.mark.parametrize(
    ("count", "more"), [(FAULTS_SHOWN, ""), (FAULTS_SHOWN + 1, " and 1 more"), (2005, " and 2,000 more")]
)
def test_beyond_a_few_they_are_counted(count: int, more: str) -> None:
    with pytest.raises(BadDataError) as caught:
        raise_faults(PLACE, [f"row {number}" for number in range(count)], "mend them")
    assert str(caught.value) == f"rows.csv: row 0; row 1; row 2; row 3; row 4{more}; mend them"
