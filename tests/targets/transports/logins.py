"""What the tests of SSH share: a limit of time, servers that are started, configurations that are written."""

from collections.abc import Callable
from contextlib import closing
from pathlib import Path

from edgewright.targets import open_target
from tests.targets.servers import Server

LIMIT_S = 20.0
StartServer = Callable[..., Server]
Configure = Callable[[str], Path]


def asked(address: str) -> None:
    with closing(open_target(address)) as target:
        assert target.run(["true"], timeout_s=LIMIT_S).status == 0
