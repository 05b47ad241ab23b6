"""Boards for the tests; their disk comes out of the user's own cache, because making it takes a minute."""

from collections.abc import Iterator
from contextlib import closing

import pytest

from edgewright.targets import open_target
from edgewright.targets.base import Target


@pytest.fixture(scope="package")
def board() -> Iterator[Target]:
    """A Raspberry Pi 4 that many tests share."""
    with closing(open_target("emulated://raspberry-pi-4")) as opened:
        yield opened
