import subprocess
import time
from io import BytesIO

import pytest

from edgewright.errors import TargetError, TransferError
from edgewright.targets.transports import conversation
from edgewright.targets.transports.conversation import Deadline, Output, Received, Stall, attend, last_line

CHUNK = b"x" * 1000


def started(script: str) -> "subprocess.Popen[bytes]":
    return subprocess.Popen(["sh", "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)


def talk(script: str, source: bytes = b"", *, copies: bool = False, limit_s: float = 0.3) -> bytes:
    out: list[bytes] = []
    with started(script) as process:
        try:
            attend(process, Deadline(20), BytesIO(source), out.append, out.append, stall=Stall(limit_s), copies=copies)
        finally:
            process.kill()
    return b"".join(out)


@pytest.fixture(autouse=True)
def looks_often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(conversation, "WAKES_EVERY_S", 0.05)


def test_a_program_that_reads_nothing_is_a_stall_and_one_that_works_in_silence_is_none() -> None:
    with pytest.raises(TimeoutError, match=r"moved in 0\.3 s"):
        talk("exec sleep 30", b"x" * 10_000_000)
    assert talk("cat >/dev/null; sleep 3; echo done", b"x" * 10_000_000, limit_s=2.0) == b"done\n"


def test_a_copy_that_brings_nothing_or_drips_is_a_stall() -> None:
    with pytest.raises(TimeoutError, match="no bytes moved"):
        talk("exec sleep 30", copies=True)
    with pytest.raises(TimeoutError, match=r"bytes? moved"):
        talk("while :; do printf x; sleep 0.02; done", copies=True)


def test_what_moves_slowly_but_moves_is_no_stall() -> None:
    script = "for each in $(seq 20); do head -c 2000 /dev/zero; sleep 0.15; done"
    assert len(talk(script, copies=True, limit_s=2.0)) == 40_000


def test_a_stall_begins_anew_with_each_kilobyte() -> None:
    stall = Stall(1.0)
    for _ in range(5):
        time.sleep(0.1)
        stall.moved(2000)
        assert not stall.stands()
    stall.moved(3)
    time.sleep(1.1)
    assert stall.stands()
    assert stall.reason() == "3 bytes moved in 1 s"
    stall.rest()
    assert not stall.stands()


def test_what_is_received_is_bounded_by_what_was_asked_for_and_so_is_what_is_claimed() -> None:
    got: list[bytes] = []
    received = Received("ssh://board", "/file", got.append, 2500)
    received.expect(2500)
    received.add(CHUNK)
    received.add(CHUNK)
    with pytest.raises(TransferError, match=r"ssh://board: /file is larger there than the 0\.0025 MB that were asked"):
        received.add(CHUNK)
    with pytest.raises(TransferError, match=r"1\.15292e\+12 MB"):
        received.expect(1 << 60)
    assert sum(map(len, got)) == 2000


def test_output_is_bounded() -> None:
    output = Output("ssh://board", "cat", limit_bytes=1500)
    output.add(CHUNK)
    with pytest.raises(TargetError, match="cat on ssh://board printed more than"):
        output.add(CHUNK)


def test_the_last_line_of_what_was_said_steers_no_terminal_and_is_short() -> None:
    assert last_line("one\ntwo \n\n \n") == "two"
    assert last_line("\x1b[31mred\x07") == "?[31mred?"
    assert last_line("") == last_line(" \n") == ""
    assert len(last_line("x" * 10_000)) == 200
