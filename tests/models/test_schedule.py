"""A schedule says how much is trained, and refuses what would train nothing."""

import pytest

from edgewright.errors import InputError
from edgewright.models.schedule import Schedule


def test_the_limit_of_one_run_is_no_part_of_the_work() -> None:
    short = Schedule(learning_rate=1e-3, batch_tokens=64, seed=0, epochs=1, limit_s=5.0)
    long = Schedule(learning_rate=1e-3, batch_tokens=64, seed=0, epochs=1)
    assert short.work == long.work


def test_a_schedule_without_work_is_refused() -> None:
    with pytest.raises(InputError):
        Schedule(learning_rate=1e-3, batch_tokens=64, seed=0)
