"""A server may say what it likes: each lie ends in one sentence and exit code 3, soon and in little memory."""

import os
import re
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path, PurePosixPath

import paramiko
import pytest

from edgewright.errors import TargetError
from edgewright.targets import open_target
from edgewright.targets.base import Target
from edgewright.targets.device_store.push import push_files
from edgewright.targets.device_store.scripts import DIFFERS
from edgewright.targets.transports import commands, conversation, ssh, ssh_sessions, ssh_wire
from tests.targets.lying_sshd import (
    BEGUN,
    CHUNK,
    DENIED,
    FileLies,
    Lies,
    honest,
    lying_server,
    never_ends,
    never_reads,
    says,
)
from tests.targets.servers import Server

STALL_S = 1.0
SOON_S = 20.0
LITTLE_BYTES = 200 << 20
REMOTE = PurePosixPath("/tmp/edgewright-lie")


@pytest.fixture(autouse=True)
def short_limits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(conversation, "STALL_LIMIT_S", STALL_S)
    for module in (ssh, commands):
        monkeypatch.setattr(module, "HOUSEKEEPING_LIMIT_S", 3.0)
    monkeypatch.setattr(ssh_wire, "NEGOTIATION_LIMIT_S", 1.0)
    monkeypatch.setattr(ssh_sessions, "LAG_LIMIT_S", 0.5)
    monkeypatch.setattr(ssh_sessions, "KILL_LIMIT_S", 0.2)


@contextmanager
def ends_well(pattern: str = "") -> Iterator[None]:
    """In one sentence, with exit code 3, soon, and without much memory."""
    Path("/proc/self/clear_refs").write_text("5")
    before, begun = _memory("VmRSS"), time.monotonic()
    with pytest.raises(TargetError, match=pattern) as caught:
        yield
    message = str(caught.value)
    assert caught.value.exit_code == 3
    assert message.isprintable()
    assert len(message) < 1000
    assert "unexpected" not in message
    assert time.monotonic() - begun < SOON_S
    assert _memory("VmHWM") - before < LITTLE_BYTES


def _memory(name: str) -> int:
    found = re.search(rf"^{name}:\s+(\d+) kB", Path("/proc/self/status").read_text(), re.M)
    assert found is not None
    return 1024 * int(found[1])


def get(target: Target, folder: Path) -> None:
    target.get(REMOTE, folder / "came")


def put(target: Target, folder: Path) -> None:
    target.put(b"x" * (8 << 20), REMOTE)


def run(target: Target, folder: Path) -> None:
    target.run(["cat"], timeout_s=5, stdin="hello")


def home(target: Target, folder: Path) -> None:
    _ = target.home


def drips(channel: paramiko.Channel, number: int) -> None:
    """Sends an answer's head, then a byte now and then."""
    if number > 3:
        channel.sendall((40_000).to_bytes(4))
        while True:
            channel.sendall(b"\0")
            time.sleep(0.05)


def goes(channel: paramiko.Channel, number: int) -> None:
    if number > 3:
        channel.close()
        raise EOFError


def rests(channel: paramiko.Channel, number: int) -> None:
    if number > 3:
        time.sleep(30)


def chatters(channel: paramiko.Channel, number: int) -> None:
    """Answers without end what nobody asked."""
    while number > 3:
        channel.sendall((9).to_bytes(4) + b"\x65" + (77).to_bytes(4) + (0).to_bytes(4))


def boasts(channel: paramiko.Channel, number: int) -> None:
    """Announces an answer of 2 GiB, and sends."""
    channel.sendall((1 << 31).to_bytes(4))
    while True:
        channel.sendall(CHUNK)


def talks(text: bytes) -> Callable[[paramiko.Channel], None]:
    def serve(channel: paramiko.Channel) -> None:
        channel.sendall(text)
        channel.recv(100)

    return serve


def silent(channel: paramiko.Channel) -> None:
    time.sleep(30)


FILE_LIES: dict[str, tuple[Callable[[Target, Path], None], FileLies, str]] = {
    "it claims 2^60 bytes": (get, FileLies(size=1 << 60), "larger there than the 1073.74 MB"),
    "it claims 2^64-1 bytes": (get, FileLies(size=(1 << 64) - 1), "larger there"),
    "it tells no size": (get, FileLies(size=None), "does not tell its size"),
    "it holds less than it claims": (get, FileLies(holds=100_000), "broke off"),
    "it sends more than was asked for": (get, FileLies(data=lambda length: b"x" * (length + 1)), "were asked for, and"),
    "it holds nothing": (get, FileLies(holds=0), "broke off"),
    "it answers reads with nothing": (get, FileLies(data=lambda length: b""), "were asked for, and 0 came"),
    "it closes in the middle": (get, FileLies(reads_before=goes), "not be copied|lost"),
    "it stops in the middle": (get, FileLies(reads_before=rests), "connection was lost"),
    "it drips": (get, FileLies(reads_before=drips), r"bytes moved in 1 s|connection was lost"),
    "it answers unasked": (get, FileLies(reads_before=chatters), "not asked"),
    "it announces 2 GiB": (get, FileLies(reads_before=boasts), "file server answered"),
    "it answers no write": (put, FileLies(write_status=None), "connection was lost"),
    "it says no to writes": (put, FileLies(write_status=DENIED), "could not be copied"),
    "it has another size than was sent": (put, FileLies(size=3), "not all of it arrived"),
}


@pytest.mark.parametrize("lie", FILE_LIES)
def test_a_file_server_that_lies_ends_in_one_sentence(lie: str, own_home: Path, tmp_path: Path) -> None:
    does, lies, told = FILE_LIES[lie]
    with lying_server(own_home, Lies(serve=lies)) as address, closing(open_target(address)) as target, ends_well(told):
        does(target, tmp_path)
    assert list(tmp_path.glob("*came*")) == []


COMMAND_LIES: dict[str, tuple[Callable[[Target, Path], None], Lies, str]] = {
    "its cat never reads": (put, Lies(run=never_reads), "connection was lost"),
    "its cat never writes": (get, Lies(run=never_reads), r"\d+ bytes moved in 1 s"),
    "its cat drips": (get, Lies(run=never_ends(b"x", every_s=0.05)), r"\d+ bytes moved in 1 s"),
    "its cat has no end": (get, Lies(run=never_ends(CHUNK)), "larger there than the 16 MB"),
    "it ends in the middle, with 1": (get, Lies(run=says(CHUNK, status=1)), "status 1"),
    "it ends in the middle, without a word": (get, Lies(run=says(CHUNK, status=None)), "killed together"),
    "its file is cut short": (get, Lies(run=says(CHUNK, err=b"@edgewright-size 100000\n")), "00 bytes, and 32768 came"),
    "its file has no size": (get, Lies(run=says(CHUNK)), "its size is not known"),
    "it prints without end": (run, Lies(run=never_ends(CHUNK)), "more than 16 MiB"),
    "it complains without end": (run, Lies(run=never_ends(CHUNK, stderr=True)), "more than 16 MiB"),
    "it prints without end before it begins": (run, Lies(run=never_ends(CHUNK, begun=b"")), "more than 16 MiB before"),
    "it gives no status": (run, Lies(run=says(status=None)), "killed together"),
    "it never ends": (run, Lies(run=never_reads), "did not end within 5 s"),
    "it does not begin": (run, Lies(run=says(b"Welcome\n\x1b]52;c;aGk=\x07 friend\n", begun=b"", status=0)),
                          r"did not run cat but ended with status 0 and printed '\?\]52;c;aGk=\? friend'"),
    "it does not begin, silently": (run, Lies(run=says(begun=b"", status=1)), "status 1 and printed nothing"),
    "its number is none": (run, Lies(run=says(begun=b"@edgewright-pid abc\x1b[2J\n")), r"came back as 'abc\?\[2J'"),
    "its number is negative": (run, Lies(run=says(begun=b"@edgewright-pid -1\n")), "came back as '-1'"),
    "its number is everybody's": (run, Lies(run=says(begun=b"@edgewright-pid 1\n")), "came back as '1'"),
    "its number has 5,000 digits": (run, Lies(run=says(begun=b"@edgewright-pid " + b"9" * 5000 + b"\n")), "came back"),
    "its number has no end": (run, Lies(run=never_ends(b"7", begun=b"@edgewright-pid " + b"7" * 70_000)), "came back"),
    "it answers no request": (run, Lies(answers_requests=False), "no answer within 3 s"),
    "it opens no session": (run, Lies(opens_sessions=False), "opens no session"),
    "it fails in colours": (get, Lies(run=says(err=b"\x1b[31mno\x1b]0;t\x07\r\n" * 5000, status=3)), "a copy failed"),
    "its home is nowhere": (home, Lies(run=says(b"nowhere\n")), "no home directory"),
    "its home is two": (home, Lies(run=says(b"/a\n/b\n")), "no home directory"),
    "its home is endless": (home, Lies(run=says(b"/" + b"a" * 100_000 + b"\n")), "no home directory"),
    "its home steers": (home, Lies(run=says(b"/\x1b[2J\n")), "no home directory"),
}  # fmt: skip


@pytest.mark.parametrize("lie", COMMAND_LIES)
def test_a_server_whose_commands_lie_ends_in_one_sentence(
    lie: str, own_home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    does, lies, told = COMMAND_LIES[lie]
    with lying_server(own_home, lies) as address, closing(open_target(address)) as target, ends_well(told):
        if lie == "its cat has no end":
            target.get(REMOTE, tmp_path / "came", limit_bytes=16_000_000)
        else:
            does(target, tmp_path)
    assert list(tmp_path.glob("*came*")) == []


@pytest.mark.parametrize(
    "greeting",
    [b"", b"SSH-2.0-x" * 1000, b"hello\r\n" * 100_000, b"\0" * 10, b"SSH-2.0-liar\r\n" + b"\xff" * 100,
     b"SSH-2.0-liar\r\n\x7f\xff\xff\xfc" + CHUNK, b"SSH-1.5-old\r\n"],
)  # fmt: skip
def test_a_greeting_that_is_none_ends_soon(greeting: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    from edgewright.targets.transports import ssh_login

    monkeypatch.setattr(ssh_login, "LOGIN_LIMIT_S", 3.0)

    def serve(listener: socket.socket) -> None:
        connection = listener.accept()[0]
        try:
            connection.sendall(greeting)
            while len(greeting) > 100 and b"\r\n" not in greeting[:20]:
                connection.sendall(greeting)
            time.sleep(10)
        except OSError:
            pass

    with socket.create_server(("127.0.0.1", 0)) as listener:
        threading.Thread(target=serve, args=(listener,), daemon=True).start()
        with ends_well("did not complete an SSH login"):
            open_target(f"ssh://127.0.0.1:{listener.getsockname()[1]}")


@pytest.mark.parametrize(
    "serve", [talks(b"Welcome to the board!\n" * 20), talks(b"hi"), talks(b"\0\0\0\1\xff"), silent]
)
def test_files_go_through_the_shell_where_something_else_answers_for_the_file_server(
    serve: Callable[[paramiko.Channel], None], own_home: Path, tmp_path: Path
) -> None:
    there = PurePosixPath(tmp_path) / "new folder" / "there"
    with lying_server(own_home, Lies(serve=serve)) as address, closing(open_target(address)) as target:
        target.put(b"content" * 1000, there)
        target.get(there, tmp_path / "back")
    assert (tmp_path / "back").read_bytes() == b"content" * 1000
    assert [each.name for each in Path(there.parent).iterdir()] == ["there"]


def test_a_device_that_says_every_file_differs_is_believed_in_that(own_home: Path, tmp_path: Path) -> None:
    def differs(channel: paramiko.Channel, command: str) -> None:
        if "tar" in command:
            says(err=b"sums \x1b[31mdiffer\n", status=DIFFERS)(channel, command)
        else:
            honest(channel, command)

    source = tmp_path / "file"
    source.write_bytes(b"x" * 1000)
    with lying_server(own_home, Lies(run=differs)) as address, closing(open_target(address)) as target:
        target._home = PurePosixPath(tmp_path) / "home"  # type: ignore[attr-defined]
        with ends_well(r"differ from what was sent \(sums \?\[31mdiffer\)"):
            push_files(target, {"file": source}, kind="bundles")


def test_a_server_that_stops_reading_the_connection_ends_a_copy(server: Server, tmp_path: Path) -> None:
    with closing(open_target(server.address)) as target:
        session = int(target.run(["sh", "-c", "ps -o ppid= -p $PPID"], timeout_s=5).stdout)
        target.put(b"warm", PurePosixPath(server.remote_home) / "warm")
        os.kill(session, signal.SIGSTOP)
        try:
            with ends_well("connection was lost"):
                target.put(b"x" * (64 << 20), PurePosixPath(server.remote_home) / "never")
        finally:
            os.kill(session, signal.SIGCONT)


def test_a_server_that_sends_more_than_it_may_while_nobody_reads_is_let_go(own_home: Path) -> None:
    def flood(channel: paramiko.Channel, number: int) -> None:
        channel.out_window_size = 1 << 40  # type: ignore[attr-defined]
        while True:
            channel.sendall(CHUNK)

    lies = Lies(serve=FileLies(reads_before=flood))
    with lying_server(own_home, lies) as address, closing(open_target(address)) as target:
        server = target._open_file_server()  # type: ignore[attr-defined]
        with server._files.open("/file") as file:
            for offset in range(10):
                server._files._async_request(server, 5, file.handle, paramiko.sftp.int64(offset), 10)
            with ends_well("connection was lost|could not be run"):
                for _ in range(100):
                    target.run(["sleep", "0.1"], timeout_s=5)


def test_a_file_server_that_answers_in_small_pieces_gives_the_whole_file(own_home: Path, tmp_path: Path) -> None:
    content = os.urandom(100_000)

    def piece(offset: int, length: int) -> bytes:
        return content[offset : offset + min(length, 7001)]

    lies = FileLies(size=len(content), holds=len(content), at=piece)
    with lying_server(own_home, Lies(serve=lies)) as address, closing(open_target(address)) as target:
        target.get(REMOTE, tmp_path / "came")
    assert (tmp_path / "came").read_bytes() == content


def test_a_command_that_works_in_silence_is_no_stall(own_home: Path) -> None:
    with lying_server(own_home, Lies()) as address, closing(open_target(address)) as target:
        assert target.run(["sh", "-c", "cat; sleep 2.5; echo done"], timeout_s=20, stdin="in\n").stdout == "in\ndone\n"


def test_what_it_says_before_it_begins_is_no_output(own_home: Path) -> None:
    run = says(b"out\n", begun=b"noise\n" * 100_000 + b"no newline" + BEGUN)
    with lying_server(own_home, Lies(run=run)) as address, closing(open_target(address)) as target:
        assert target.run(["x"], timeout_s=20).stdout == "out\n"
