"""Of faulty inputs of every kind none ends in a traceback, another kind's exit code or a silently other value."""

import pytest

from tests.benchmarks.faults import QUICK, ROOMS, found_in


@pytest.mark.parametrize("room", ROOMS)
def test_faulty_inputs_end_in_clear_errors_or_are_rightly_taken(room: str) -> None:
    found = found_in({room: ROOMS[room] // QUICK})
    assert found["faults"] == []
    assert sum(count for name, count in found["rows"][0].items() if name != "room") == ROOMS[room] // QUICK
