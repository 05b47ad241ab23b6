import os
import socket
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path, PurePosixPath

import paramiko
import pytest

from edgewright.errors import (
    AuthenticationError,
    DeviceFullError,
    HostKeyError,
    InputError,
    TransferError,
    UnreachableError,
)
from edgewright.targets import open_target
from edgewright.targets.base import Target
from edgewright.targets.transports.ssh_address import read_address
from edgewright.targets.transports.ssh_login import connect
from tests.targets.checks import (
    assert_endless_output_is_stopped,
    assert_gone,
    assert_much_input_and_output_pass,
    assert_the_time_limit_ends_the_group,
)
from tests.targets.servers import Server, free_port, new_key

LIMIT_S = 20.0
StartServer = Callable[..., Server]


@pytest.fixture
def target(server: Server) -> Iterator[Target]:
    with closing(open_target(server.address)) as opened:
        yield opened


def test_a_command_gets_its_exact_arguments_whatever_a_shell_would_make_of_them(target: Target) -> None:
    words = ["a b", "$HOME", "`id`", "'", '"', "*", ";", "&&", "|", "\\", "", "ü", "new\nline", "-n", "~", "!x", "#"]
    done = target.run(["printf", "<%s>", *words], timeout_s=LIMIT_S)
    assert (done.status, done.stdout, done.stderr) == (0, "".join(f"<{word}>" for word in words), "")


def test_status_signal_error_output_and_input_come_through(target: Target) -> None:
    done = target.run(["sh", "-c", "cat; echo bad >&2; exit 7"], timeout_s=LIMIT_S, stdin="grüße\n")
    assert (done.status, done.stdout, done.stderr) == (7, "grüße\n", "bad\n")
    assert target.run(["sh", "-c", "kill -9 $$"], timeout_s=LIMIT_S).status == -9
    assert target.run(["no-such-program"], timeout_s=LIMIT_S).status == 127
    assert target.run(["sh", "-c", "exit 200"], timeout_s=LIMIT_S).status == 200


def test_what_it_is_called_holds_neither_key_nor_query(server: Server, own_home: Path) -> None:
    with closing(open_target(f"{server.address}?identity={own_home}/.ssh/id_ed25519")) as target:
        assert target.address == server.address
        assert target.emulated is False
        assert target.home == PurePosixPath(server.remote_home) / ".edgewright"


def test_much_input_and_output_at_once_do_not_block_each_other(target: Target) -> None:
    assert_much_input_and_output_pass(target)


def test_endless_output_is_stopped_and_so_is_its_program(target: Target, tmp_path: Path) -> None:
    assert_endless_output_is_stopped(target, tmp_path)


def test_the_time_limit_ends_the_whole_group_there_and_the_connection_lives_on(target: Target, tmp_path: Path) -> None:
    assert_the_time_limit_ends_the_group(target, tmp_path, limit_s=0.5, kind="ssh")


def test_noise_of_the_login_shells_start_up_files_is_not_taken_for_output(start_server: StartServer) -> None:
    server = start_server('ForceCommand echo welcome; sh -c "$SSH_ORIGINAL_COMMAND"', sftp=False)
    server.trust()
    with closing(open_target(server.address)) as target:
        assert target.run(["echo", "hello"], timeout_s=LIMIT_S).stdout == "hello\n"


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


def test_no_key_a_damaged_key_and_a_locked_key_are_told_apart(server: Server, own_home: Path) -> None:
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


def test_host_user_port_and_key_come_from_the_ssh_configuration(server: Server, own_home: Path) -> None:
    (own_home / ".ssh" / "id_ed25519").rename(own_home / ".ssh" / "board_key")
    (own_home / ".ssh" / "config").write_text(
        f"Host board\n HostName 127.0.0.1\n Port {server.port}\n User {server.user}\n IdentityFile ~/.ssh/board_key\n"
    )
    with closing(open_target("ssh://board")) as target:
        assert target.address == "ssh://board"
        assert target.run(["true"], timeout_s=LIMIT_S).status == 0
    (own_home / ".ssh" / "config").write_text("Host board\n  ProxyCommand nc %h %p\n")
    with pytest.raises(InputError, match="ProxyCommand"):
        open_target("ssh://board")


def test_a_device_behind_jump_hosts_is_reached_through_them(start_server: StartServer, own_home: Path) -> None:
    board, near, far = start_server(), start_server(), start_server()
    for server in (board, near, far):
        server.trust()
    (own_home / ".ssh" / "config").write_text(
        f"Host board\n  HostName 127.0.0.1\n  Port {board.port}\n  ProxyJump near,{far.user}@127.0.0.1:{far.port}\n"
        f"Host near\n  HostName 127.0.0.1\n  Port {near.port}\n"
        "Host *\n  ProxyJump near\n"
    )
    with closing(open_target("ssh://board")) as target:
        assert target.home == PurePosixPath(board.remote_home) / ".edgewright"
        peer = target.run(["sh", "-c", "echo $SSH_CONNECTION"], timeout_s=LIMIT_S).stdout.split()
        sessions = [int(pid) for pid in subprocess.run(
            ["pgrep", "-P", f"{near.process.pid},{far.process.pid}"], capture_output=True, text=True, check=True
        ).stdout.split()]  # fmt: skip
        assert peer[3] == str(board.port)
        assert len(sessions) == 2
    for session in sessions:
        assert_gone(session)


def test_a_jump_host_that_cannot_reach_the_device_is_named(start_server: StartServer, own_home: Path) -> None:
    near, nobody = start_server(), free_port()
    near.trust()
    (own_home / ".ssh" / "config").write_text(
        f"Host board\n  HostName 127.0.0.1\n  Port {nobody}\n  ProxyJump near\n"
        f"Host near\n  HostName 127.0.0.1\n  Port {near.port}\n"
    )
    with pytest.raises(UnreachableError, match=rf"jump host ssh://near could not reach 127\.0\.0\.1:{nobody}"):
        open_target("ssh://board")


def test_nothing_listening_an_unknown_name_and_a_server_of_another_kind_are_unreachable() -> None:
    with pytest.raises(UnreachableError, match="refused the connection"):
        open_target(f"ssh://127.0.0.1:{free_port()}")
    with socket.create_server(("127.0.0.1", 0)) as listener:
        threading.Thread(target=lambda: listener.accept()[0].sendall(b"HTTP/1.1 400 no\r\n" * 200), daemon=True).start()
        with pytest.raises(UnreachableError, match="did not complete an SSH login"):
            open_target(f"ssh://127.0.0.1:{listener.getsockname()[1]}")
    with pytest.raises(UnreachableError, match=r"no machine is called no-such-host\.invalid"):
        open_target("ssh://no-such-host.invalid")


def test_a_connection_that_breaks_is_told_and_close_may_follow(server: Server) -> None:
    target = open_target(server.address)
    done = target.run(["sh", "-c", "ps -o ppid= -p $PPID"], timeout_s=LIMIT_S)
    session = int(done.stdout)
    os.kill(session, 9)
    with pytest.raises(UnreachableError, match="connection was lost"):
        target.run(["sleep", "5"], timeout_s=LIMIT_S)
    target.close()
    target.close()


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
