"""Real OpenSSH servers on the loopback interface, and a home directory that is the test's own."""

import getpass
import os
import shlex
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

SSHD = "/usr/sbin/sshd"


@dataclass(frozen=True, kw_only=True)
class Server:
    """A running sshd that lets the test's user in with `~/.ssh/id_ed25519`."""

    port: int
    user: str
    remote_home: Path
    host_public_key: str
    process: subprocess.Popen[bytes]

    @property
    def address(self) -> str:
        return f"ssh://{self.user}@127.0.0.1:{self.port}"

    def trust(self, public_key: str | None = None) -> None:
        """Write the server's key, or another, into known_hosts."""
        kind, blob = (public_key or self.host_public_key).split()[:2]
        with (Path.home() / ".ssh" / "known_hosts").open("a") as file:
            file.write(f"[127.0.0.1]:{self.port} {kind} {blob}\n")


@pytest.fixture(autouse=True)
def own_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    home = tmp_path / "home"
    (home / ".ssh").mkdir(parents=True, mode=0o700)
    monkeypatch.setenv("HOME", str(home))
    for name in ("EDGEWRIGHT_HOME", "EDGEWRIGHT_SSH_PASSWORD", "SSH_AUTH_SOCK"):
        monkeypatch.delenv(name, raising=False)
    return home


def new_key(path: Path) -> str:
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(path)], check=True)
    return path.with_name(path.name + ".pub").read_text()


@pytest.fixture
def start_server(tmp_path: Path, own_home: Path) -> Iterator[Callable[..., Server]]:
    started: list[Server] = []
    if os.geteuid() == 0:
        Path("/run/sshd").mkdir(exist_ok=True)  # sshd wants it for its unprivileged part

    def start(*extra: str, sftp: bool = True, home: Path | None = None) -> Server:
        folder = tmp_path / f"server{len(started)}"
        remote_home = home or folder / "remote home"
        remote_home.mkdir(parents=True, exist_ok=True)
        folder.mkdir(exist_ok=True)
        host_key = new_key(folder / "host_key")
        key = own_home / ".ssh" / "id_ed25519"
        public = new_key(key) if not key.exists() else key.with_name("id_ed25519.pub").read_text()
        (folder / "authorized_keys").write_text(public)
        port = free_port()
        lines = [
            *extra,  # first, because sshd keeps the first value of a setting
            f"Port {port}",
            "ListenAddress 127.0.0.1",
            f"HostKey {folder}/host_key",
            f"AuthorizedKeysFile {folder}/authorized_keys",
            f"PidFile {folder}/pid",
            f'SetEnv "HOME={remote_home}"',
            "StrictModes no",
            "UsePAM no",
            "PasswordAuthentication no",
            "KbdInteractiveAuthentication no",
            "PermitRootLogin yes",
            *(["Subsystem sftp internal-sftp"] if sftp else []),
        ]
        (folder / "sshd_config").write_text("\n".join(lines) + "\n")
        with (folder / "log").open("wb") as log:
            process = subprocess.Popen([SSHD, "-D", "-e", "-f", str(folder / "sshd_config")], stderr=log)
        server = Server(
            port=port, user=getpass.getuser(), remote_home=remote_home, host_public_key=host_key, process=process
        )
        started.append(server)
        wait_for_port(port, process, folder / "log")
        return server

    yield start
    for server in started:
        server.process.terminate()
        server.process.wait(10)


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


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def wait_for_port(port: int, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline and process.poll() is None:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.02)
    pytest.fail(f"sshd did not start: {log.read_text()}")
