"""Sessions that a server grants: one, none, or as many as are asked for."""

import logging
import shlex
import threading
from contextlib import closing
from pathlib import Path, PurePosixPath

import pytest

from edgewright.errors import CommandTimeoutError, TargetError
from edgewright.targets import open_target
from tests.targets.checks import assert_gone
from tests.targets.transports.logins import LIMIT_S, StartServer
from tests.targets.transports.test_ssh_as_people_have_it import assert_all_works, start


def test_a_server_of_one_session_does_all_of_it_in_turn(
    start_server: StartServer, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    server = start(start_server, "MaxSessions 1")
    with caplog.at_level(logging.INFO, "edgewright"):
        assert_all_works(server.address, server.remote_home, tmp_path)
    assert "the server allows few sessions at once" in caplog.text
    with closing(open_target(server.address)) as target:
        said: list[str] = []
        threads = [
            threading.Thread(
                target=lambda: said.append(target.run(["sh", "-c", "sleep 0.3; echo x"], timeout_s=LIMIT_S).stdout)
            )
            for _ in range(3)
        ]
        for thread in threads:
            thread.start()
        target.put(b"meanwhile", PurePosixPath(server.remote_home) / "meanwhile")
        for thread in threads:
            thread.join()
        assert said == ["x\n"] * 3
        script = f"echo $$ >{shlex.quote(str(tmp_path / 'leader'))}; sleep 300"
        with pytest.raises(CommandTimeoutError):
            target.run(["sh", "-c", script], timeout_s=0.5)
        assert_gone(int((tmp_path / "leader").read_text()))
        assert target.run(["echo", "still here"], timeout_s=LIMIT_S).stdout == "still here\n"


def test_a_server_of_no_session_says_so(start_server: StartServer) -> None:
    server = start(start_server, "MaxSessions 0")
    with (
        closing(open_target(server.address)) as target,
        pytest.raises(TargetError, match=r"opens no session.*Max"),
    ):
        target.run(["true"], timeout_s=LIMIT_S)
