"""Letting oneself in: host keys, keys, passwords, agents, and what is told where that fails."""

import socket
import subprocess
import threading
from contextlib import closing
from pathlib import Path

import paramiko
import pytest

from edgewright.errors import (
    AuthenticationError,
    HostKeyError,
    InputError,
    UnreachableError,
)
from edgewright.targets import open_target
from edgewright.targets.transports.ssh_address import read_address
from edgewright.targets.transports.ssh_login import connect
from tests.targets.servers import Server, free_port, new_key
from tests.targets.transports.logins import LIMIT_S, StartServer


def test_an_unknown_host_key_is_refused_with_its_fingerprint_and_the_command_that_trusts_it(
    start_server: StartServer,
) -> None:
    server = start_server()
    with pytest.raises(HostKeyError) as caught:
        open_target(server.address)
    shown = subprocess.run(
        ["ssh-keygen", "-lf", "-"], input=server.host_public_key, capture_output=True, text=True, check=True
    ).stdout.split()[1]
    assert shown in str(caught.value)
    assert f"`ssh-keyscan -p {server.port} 127.0.0.1 >> ~/.ssh/known_hosts`" in str(caught.value)


def test_the_command_that_trusts_a_host_key_does_so(start_server: StartServer, own_home: Path) -> None:
    server = start_server()
    known = subprocess.run(["ssh-keyscan", "-p", str(server.port), "127.0.0.1"], capture_output=True, check=True)
    (own_home / ".ssh" / "known_hosts").write_bytes(known.stdout)
    subprocess.run(["ssh-keygen", "-q", "-H", "-f", str(own_home / ".ssh" / "known_hosts")], check=True)  # hashed names
    with closing(open_target(server.address)) as target:
        assert target.run(["true"], timeout_s=LIMIT_S).status == 0


def test_a_changed_host_key_is_refused_and_said_to_have_changed(start_server: StartServer, tmp_path: Path) -> None:
    server = start_server()
    server.trust(new_key(tmp_path / "another"))
    with pytest.raises(HostKeyError, match="has changed") as caught:
        open_target(server.address)
    assert f"ssh-keygen -R '[127.0.0.1]:{server.port}'" in str(caught.value)


def test_a_wrong_key_is_an_authentication_error_that_names_what_was_tried(server: Server, own_home: Path) -> None:
    (own_home / ".ssh" / "id_ed25519").unlink()
    new_key(own_home / ".ssh" / "id_ed25519")
    with pytest.raises(AuthenticationError, match=r"tried .*id_ed25519.*ssh-copy-id"):
        open_target(server.address)


def test_no_key_a_damaged_key_and_a_locked_key_are_distinguished(server: Server, own_home: Path) -> None:
    key = own_home / ".ssh" / "id_ed25519"
    key.unlink()
    with pytest.raises(AuthenticationError, match="for want of a key"):
        open_target(server.address)
    key.write_text("not a key")
    with pytest.raises(AuthenticationError, match="not a key that can be read"):
        open_target(server.address)
    key.unlink()
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "a phrase", "-f", str(key)], check=True)
    with pytest.raises(AuthenticationError, match="ssh-add"):
        open_target(server.address)
    with pytest.raises(InputError, match="there is no key file"):
        open_target(f"{server.address}?identity=/no/such/key")


def test_a_wrong_password_appears_in_no_message(
    start_server: StartServer, own_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = start_server("PasswordAuthentication yes", "PubkeyAuthentication no")
    server.trust()
    monkeypatch.setenv("EDGEWRIGHT_SSH_PASSWORD", "open sesame")
    with pytest.raises(AuthenticationError, match="the password") as caught:
        open_target(server.address)
    assert "sesame" not in repr(caught.value) + repr(caught.value.__cause__)


def test_the_right_password_lets_us_in(own_home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class OnePassword(paramiko.ServerInterface):
        def check_auth_password(self, username: str, password: str) -> int:
            right = (username, password) == ("pi", "open sesame")
            return paramiko.common.AUTH_SUCCESSFUL if right else paramiko.common.AUTH_FAILED

    kind, blob = new_key(own_home / "server_key").split()[:2]
    monkeypatch.setenv("EDGEWRIGHT_SSH_PASSWORD", "open sesame")
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            transport = paramiko.Transport(listener.accept()[0])
            transport.add_server_key(paramiko.PKey.from_path(own_home / "server_key"))
            transport.start_server(server=OnePassword())

        threading.Thread(target=serve, daemon=True).start()
        port = listener.getsockname()[1]
        (own_home / ".ssh" / "known_hosts").write_text(f"[127.0.0.1]:{port} {kind} {blob}\n")
        with closing(connect(read_address(f"ssh://pi@127.0.0.1:{port}"))) as transport:
            assert transport.is_authenticated()


def test_rsa_keys_are_taken_too(server: Server, own_home: Path) -> None:
    (own_home / ".ssh" / "id_ed25519").unlink()
    key = own_home / ".ssh" / "other"
    subprocess.run(["ssh-keygen", "-q", "-t", "rsa", "-b", "2048", "-N", "", "-f", str(key)], check=True)
    authorized = server.remote_home.parent / "authorized_keys"
    authorized.write_text(key.with_name("other.pub").read_text())
    with closing(open_target(f"{server.address}?identity={key}")) as target:
        assert target.run(["true"], timeout_s=LIMIT_S).status == 0


def test_nothing_listening_an_unknown_name_and_a_server_of_another_kind_are_unreachable() -> None:
    with pytest.raises(UnreachableError, match="refused the connection"):
        open_target(f"ssh://127.0.0.1:{free_port()}")
    with socket.create_server(("127.0.0.1", 0)) as listener:
        threading.Thread(target=lambda: listener.accept()[0].sendall(b"HTTP/1.1 400 no\r\n" * 200), daemon=True).start()
        with pytest.raises(UnreachableError, match="did not complete an SSH login"):
            open_target(f"ssh://127.0.0.1:{listener.getsockname()[1]}")
    with pytest.raises(UnreachableError, match=r"no machine is called no-such-host\.invalid"):
        open_target("ssh://no-such-host.invalid")


def test_keys_of_the_agent_are_offered(server: Server, own_home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    socket_path = own_home / "agent"
    with subprocess.Popen(["ssh-agent", "-D", "-a", str(socket_path)], stdout=subprocess.DEVNULL) as agent:
        try:
            while not socket_path.exists():
                assert agent.poll() is None
            monkeypatch.setenv("SSH_AUTH_SOCK", str(socket_path))
            key = own_home / ".ssh" / "id_ed25519"
            subprocess.run(["ssh-add", "-q", str(key)], check=True)
            key.unlink()
            with closing(open_target(server.address)) as target:
                assert target.run(["true"], timeout_s=LIMIT_S).status == 0
        finally:
            agent.terminate()


def test_a_server_that_ends_the_login_after_too_many_keys_is_an_authentication_error(
    start_server: StartServer, own_home: Path
) -> None:
    server = start_server("MaxAuthTries 1")
    server.trust()
    for name in ("id_ecdsa", "id_ed25519"):
        (own_home / ".ssh" / name).unlink(missing_ok=True)
        new_key(own_home / ".ssh" / name)
    with pytest.raises(AuthenticationError, match="did not let"):
        open_target(server.address)
