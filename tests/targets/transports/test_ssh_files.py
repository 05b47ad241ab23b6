"""Files over SSH, with a file server and without one."""

import os
from contextlib import closing
from pathlib import Path, PurePosixPath

import pytest

from edgewright.errors import (
    DeviceFullError,
    TransferError,
)
from edgewright.targets import open_target
from tests.targets.servers import Server
from tests.targets.transports.logins import LIMIT_S, StartServer


@pytest.mark.parametrize("sftp", [True, False], ids=["sftp", "no-sftp"])
def test_files_go_and_come_back_with_or_without_sftp(start_server: StartServer, tmp_path: Path, sftp: bool) -> None:
    server = start_server(sftp=sftp)
    server.trust()
    source, there, back = tmp_path / "source", server.remote_home / "new dir" / "there", tmp_path / "back"
    source.write_bytes(os.urandom(3_000_000))
    source.chmod(0o755)
    with closing(open_target(server.address)) as target:
        target.put(source, PurePosixPath(there))
        target.put(source, PurePosixPath(there))  # in the place of the first
        target.get(PurePosixPath(there), back)
        with pytest.raises(TransferError, match="No such file"):
            target.get(PurePosixPath("/no/such/file"), tmp_path / "missing")
    assert back.read_bytes() == source.read_bytes()
    assert os.access(there, os.X_OK)
    assert [path.name for path in there.parent.iterdir()] == ["there"]
    assert list(tmp_path.glob("*missing*")) == []


def test_a_full_device_says_how_much_room_it_has_and_keeps_no_half_file(
    server_with_a_small_disk: tuple[Server, Path], tmp_path: Path
) -> None:
    server, disk = server_with_a_small_disk
    source = tmp_path / "large"
    source.write_bytes(os.urandom(5_000_000))
    with closing(open_target(server.address)) as target:
        with pytest.raises(DeviceFullError, match=r"needs 5\.0 MB and has 2\.\d MB free"):
            target.put(source, PurePosixPath(disk) / "large")
        assert target.run(["ls", "-A", str(disk)], timeout_s=LIMIT_S).stdout == ""
