"""A real OpenSSH server on this machine: commands, their limits, and ways that lead through others."""

import os
import subprocess
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path, PurePosixPath

import pytest

from edgewright.errors import (
    InputError,
    UnreachableError,
)
from edgewright.targets import open_target
from edgewright.targets.base import Target
from tests.targets.checks import (
    assert_arguments_arrive_exactly,
    assert_endless_output_is_stopped,
    assert_gone,
    assert_much_input_and_output_pass,
    assert_output_is_heard_as_it_comes,
    assert_status_output_and_input_come_through,
    assert_the_time_limit_ends_the_group,
)
from tests.targets.servers import Server, free_port
from tests.targets.transports.logins import LIMIT_S, StartServer


@pytest.fixture
def target(server: Server) -> Iterator[Target]:
    with closing(open_target(server.address)) as opened:
        yield opened


def test_a_command_gets_its_exact_arguments_whatever_a_shell_would_make_of_them(target: Target) -> None:
    assert_arguments_arrive_exactly(target)


def test_status_signal_error_output_and_input_come_through(target: Target) -> None:
    assert_status_output_and_input_come_through(target)


def test_what_it_is_called_holds_neither_key_nor_query(server: Server, own_home: Path) -> None:
    with closing(open_target(f"{server.address}?identity={own_home}/.ssh/id_ed25519")) as target:
        assert target.address == server.address
        assert target.emulated is False
        assert target.home == PurePosixPath(server.remote_home) / ".edgewright"


def test_much_input_and_output_at_once_do_not_block_each_other(target: Target) -> None:
    assert_much_input_and_output_pass(target)


def test_output_is_heard_as_it_comes(target: Target) -> None:
    assert_output_is_heard_as_it_comes(target)


def test_endless_output_is_stopped_and_so_is_its_program(target: Target, tmp_path: Path) -> None:
    assert_endless_output_is_stopped(target, tmp_path)


def test_the_time_limit_ends_the_whole_group_there_and_the_connection_lives_on(target: Target, tmp_path: Path) -> None:
    assert_the_time_limit_ends_the_group(target, tmp_path, limit_s=0.5, kind="ssh")


def test_noise_of_the_login_shells_start_up_files_is_not_taken_for_output(start_server: StartServer) -> None:
    server = start_server('ForceCommand echo welcome; sh -c "$SSH_ORIGINAL_COMMAND"', sftp=False)
    server.trust()
    with closing(open_target(server.address)) as target:
        assert target.run(["echo", "hello"], timeout_s=LIMIT_S).stdout == "hello\n"


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


def test_a_connection_that_breaks_is_reported_and_close_may_follow(server: Server) -> None:
    target = open_target(server.address)
    done = target.run(["sh", "-c", "ps -o ppid= -p $PPID"], timeout_s=LIMIT_S)
    session = int(done.stdout)
    os.kill(session, 9)
    with pytest.raises(UnreachableError, match="connection was lost"):
        target.run(["sleep", "5"], timeout_s=LIMIT_S)
    target.close()
    target.close()
