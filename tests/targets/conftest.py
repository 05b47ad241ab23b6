"""Real OpenSSH servers on the loopback interface, and a home directory that is the test's own."""

import shlex
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.targets.servers import Server, started_server


@pytest.fixture(autouse=True)
def own_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    home = tmp_path / "home"
    (home / ".ssh").mkdir(parents=True, mode=0o700)
    monkeypatch.setenv("HOME", str(home))
    for name in ("EDGEWRIGHT_HOME", "EDGEWRIGHT_SSH_PASSWORD", "SSH_AUTH_SOCK"):
        monkeypatch.delenv(name, raising=False)
    return home


@pytest.fixture
def start_server(tmp_path: Path, own_home: Path) -> Iterator[Callable[..., Server]]:
    started: list[Server] = []

    def start(*extra: str, sftp: bool = True, home: Path | None = None) -> Server:
        folder = tmp_path / f"server{len(started)}"
        started.append(started_server(folder, own_home, *extra, sftp=sftp, home=home))
        return started[-1]

    yield start
    for server in started:
        server.stop()


@pytest.fixture
def server(start_server: Callable[..., Server]) -> Server:
    """A server whose host key is known already."""
    server = start_server()
    server.trust()
    return server


@pytest.fixture
def server_with_a_small_disk(tmp_path: Path, start_server: Callable[..., Server]) -> Iterator[tuple[Server, Path]]:
    """A server on which one directory has room for 2 MiB: every command runs in a namespace with a tmpfs there."""
    disk = tmp_path / "small"
    disk.mkdir()
    script = f"mount -t tmpfs -o size=2m none {shlex.quote(str(disk))} && echo ready && exec sleep 600"
    holder = subprocess.Popen(["unshare", "-rm", "sh", "-c", script], stdout=subprocess.PIPE)
    try:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"ready\n"
        enter = f"nsenter --target {holder.pid} --user --mount --preserve-credentials"
        server = start_server(
            f'ForceCommand {enter} sh -c "$SSH_ORIGINAL_COMMAND"',
            "Subsystem sftp /usr/lib/openssh/sftp-server",
            sftp=False,
            home=disk,
        )
        server.trust()
        yield server, disk
    finally:
        holder.kill()
        holder.communicate()
