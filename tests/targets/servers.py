"""Real OpenSSH servers on the loopback interface, for tests and benchmarks."""

import getpass
import os
import secrets
import socket
import subprocess
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from tests.targets.links import Link

SSHD = "/usr/sbin/sshd"
PORTS = range(20_000, 32_000)


@dataclass(frozen=True, kw_only=True)
class Server:
    """A running sshd that lets the test's user in with `~/.ssh/id_ed25519`."""

    port: int
    user: str
    remote_home: Path
    host_public_key: str
    process: subprocess.Popen[bytes]
    host: str = "127.0.0.1"

    @property
    def address(self) -> str:
        return f"ssh://{self.user}@{self.host}:{self.port}"

    def stop(self) -> None:
        self.process.terminate()
        self.process.wait(10)

    def trust(self, public_key: str | None = None, *, port: int | None = None) -> None:
        """Write the server's key, or another, into known_hosts, for its own port or that of a proxy."""
        kind, blob = (public_key or self.host_public_key).split()[:2]
        with (Path.home() / ".ssh" / "known_hosts").open("a") as file:
            file.write(f"[{self.host}]:{port or self.port} {kind} {blob}\n")


def new_key(path: Path) -> str:
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(path)], check=True)
    return path.with_name(path.name + ".pub").read_text()


def started_server(
    folder: Path, own_home: Path, *extra: str, sftp: bool = True, home: Path | None = None, link: Link | None = None
) -> Server:
    """A server of its own folder that lets in the key of a user's home, which is made if it is not there.

    It listens on the loopback interface, or at the far end of a link.
    """
    if os.geteuid() == 0:
        Path("/run/sshd").mkdir(exist_ok=True)  # sshd wants it for its unprivileged part
    remote_home = home or folder / "remote home"
    remote_home.mkdir(parents=True, exist_ok=True)
    folder.mkdir(exist_ok=True)
    host_key = new_key(folder / "host_key")
    key = own_home / ".ssh" / "id_ed25519"
    public = new_key(key) if not key.exists() else key.with_name("id_ed25519.pub").read_text()
    (folder / "authorized_keys").write_text(public)
    port, host = free_port(), link.host if link else "127.0.0.1"
    lines = [
        *extra,  # first, because sshd keeps the first value of a setting
        f"Port {port}",
        f"ListenAddress {host}",
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
        command = [SSHD, "-D", "-e", "-f", str(folder / "sshd_config")]
        process = subprocess.Popen(link.inside(*command) if link else command, stderr=log)
    wait_for_port(port, process, folder / "log", host=host)
    return Server(
        port=port, user=getpass.getuser(), remote_home=remote_home, host_public_key=host_key, process=process, host=host
    )


def free_port() -> int:
    """A port on which nobody listens, of those that the system gives to no connection: another test gets another."""
    for _ in range(100):
        port = secrets.choice(PORTS)
        with socket.socket() as probe, suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port
    raise AssertionError("no port is free")


def wait_for_port(port: int, process: subprocess.Popen[bytes], log: Path, *, host: str = "127.0.0.1") -> None:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and process.poll() is None:
        with socket.socket() as probe:
            if probe.connect_ex((host, port)) == 0:
                return
        time.sleep(0.02)
    raise AssertionError(f"sshd did not start: {log.read_text()}")
