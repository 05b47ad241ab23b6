"""Login shells that print, stop or are no POSIX shell; servers without files or sessions; homes nobody may use."""

import logging
import os
import shlex
import subprocess
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path, PurePosixPath

import pytest

from edgewright.errors import TargetError
from edgewright.targets import open_target
from edgewright.targets.device_store.lease import leased
from edgewright.targets.device_store.push import push_files
from tests.targets.servers import Server
from tests.targets.transports.logins import LIMIT_S, StartServer

FILE_SERVER = "/usr/lib/openssh/sftp-server"


def start(start_server: StartServer, *lines: str, sftp: bool = True, rc: str = "", home: Path | None = None) -> Server:
    server = start_server(*lines, sftp=sftp, home=home)
    server.trust()
    if rc:
        (server.remote_home / ".bashrc").write_text(rc)
    return server


def assert_all_works(address: str, folder: Path, tmp_path: Path) -> None:
    """Commands with their exact arguments, files there and back, a push."""
    content = os.urandom(300_000)
    source = tmp_path / "source"
    source.write_bytes(content)
    words = ["a b", "$HOME", "`id`", "'", '"', "!", "!!", "%s", "%d", "\\", "\\n", "~", "*", "ü", "new\nline", ";", ""]
    with closing(open_target(address)) as target:
        done = target.run(["printf", "<%s>", *words], timeout_s=LIMIT_S)
        assert done.stdout == "".join(f"<{word}>" for word in words)
        assert target.run(["sh", "-c", "cat; exit 7"], timeout_s=LIMIT_S, stdin="in").status == 7
        target.put(source, PurePosixPath(folder) / "new folder" / "there")
        target.get(PurePosixPath(folder) / "new folder" / "there", tmp_path / "back")
        place = push_files(target, {"program": Path("/bin/true"), "file": source}, kind="bundles")
        assert target.run([str(place / "program")], timeout_s=LIMIT_S).status == 0
        with leased(target, "a test", wait_s=60):  # it may lie in /tmp, as that of another run of these tests
            pass
    assert (tmp_path / "back").read_bytes() == content


@pytest.mark.parametrize(
    "noise", ["echo Welcome to the board", "printf hi", "printf '\\0\\0\\0\\1x'", "echo e >&2; echo o"]
)
def test_a_shell_that_prints_in_its_start_up_file_spoils_nothing(
    start_server: StartServer, tmp_path: Path, noise: str, caplog: pytest.LogCaptureFixture
) -> None:
    server = start(start_server, f"Subsystem sftp {FILE_SERVER}", sftp=False, rc=f"{noise}\n")
    with caplog.at_level(logging.INFO, "edgewright"):
        assert_all_works(server.address, server.remote_home, tmp_path)
    assert "files go through the shell" in caplog.text
    if "Welcome" in noise:
        assert "Welcome to the board" in caplog.text


@pytest.mark.parametrize(
    "line", ["Subsystem sftp /no/such/file-server", "Subsystem sftp /bin/false", "X11Forwarding no"]
)
def test_a_server_without_a_file_server_takes_files_all_the_same(
    start_server: StartServer, tmp_path: Path, line: str
) -> None:
    server = start(start_server, line, sftp=False)
    assert_all_works(server.address, server.remote_home, tmp_path)


@pytest.mark.parametrize("shell", ["tcsh", "fish", "zsh", "dash", "bash --posix"])
def test_any_login_shell_passes_commands_on_as_they_are(start_server: StartServer, tmp_path: Path, shell: str) -> None:
    server = start(start_server, f'ForceCommand {shell} -c "$SSH_ORIGINAL_COMMAND"', sftp=False)
    assert_all_works(server.address, server.remote_home, tmp_path)


@pytest.mark.parametrize(
    ("rc", "told"),
    [
        ("exec fish", r"did not run sh but ended with status 0 and printed nothing.*\.bashrc"),
        ("echo 'Use the \x1b[1mother\x1b[0m host'; exit 3", r"status 3 and printed 'Use the \?\[1mother\?\[0m host'"),
        ("echo '@edgewright-pid soon'", "came back as 'soon'"),
    ],
)
def test_a_start_up_file_that_goes_elsewhere_is_reported_with_what_it_printed(
    start_server: StartServer, rc: str, told: str
) -> None:
    server = start(start_server, rc=f"{rc}\n")
    with closing(open_target(server.address)) as target:
        with pytest.raises(TargetError, match=told) as caught:
            _ = target.home
        assert str(caught.value).isprintable()


def test_an_account_that_may_not_log_in_says_so(start_server: StartServer) -> None:
    server = start(start_server, "ForceCommand /usr/sbin/nologin")
    with closing(open_target(server.address)) as target, pytest.raises(TargetError, match="currently not available"):
        target.run(["true"], timeout_s=LIMIT_S)


@pytest.fixture
def server_with_a_home(tmp_path: Path, start_server: StartServer) -> Iterator[Callable[[str], tuple[Server, Path]]]:
    """A server whose home directory is a file system mounted with some options; and another folder there."""
    holders: list[subprocess.Popen[bytes]] = []

    def started(options: str) -> tuple[Server, Path]:
        home, other = tmp_path / "board home", tmp_path / "other folder"
        home.mkdir()
        other.mkdir()
        script = f"mount -t tmpfs -o {options} none {shlex.quote(str(home))} && echo ready && exec sleep 600"
        holder = subprocess.Popen(["unshare", "-rm", "sh", "-c", script], stdout=subprocess.PIPE)
        holders.append(holder)
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"ready\n"
        enter = f"nsenter --target {holder.pid} --user --mount --preserve-credentials"
        return start(start_server, f'ForceCommand {enter} sh -c "$SSH_ORIGINAL_COMMAND"', sftp=False, home=home), other

    yield started
    for holder in holders:
        holder.kill()
        holder.communicate()


@pytest.mark.parametrize(("options", "told"), [("noexec", "mounted noexec"), ("ro", "Read-only file system")])
def test_a_home_that_takes_no_programs_or_no_files_is_reported_and_another_folder_does(
    server_with_a_home: Callable[[str], tuple[Server, Path]], options: str, told: str, tmp_path: Path
) -> None:
    server, other = server_with_a_home(options)
    fault = pytest.raises(TargetError, match=rf"{told}.*\?folder=/PATH")
    with closing(open_target(server.address)) as target, fault:
        push_files(target, {"program": Path("/bin/true")}, kind="runtimes")
    place = str(other).replace(" ", "%20")
    assert_all_works(f"{server.address}?folder={place}", other, tmp_path)
    with closing(open_target(f"{server.address}?folder={place}")) as target:
        assert target.home == PurePosixPath(other) / ".edgewright"
        assert target.address == server.address
    fault = pytest.raises(TargetError, match="folder /no/such/folder cannot be entered")
    with closing(open_target(f"{server.address}?folder=/no/such/folder")) as target, fault:
        _ = target.home
