"""What several tests look for."""

import os
import time
from pathlib import Path

import pytest

from edgewright.errors import CommandTimeoutError, TargetError
from edgewright.targets.base import Target


def assert_gone(pid: int) -> None:
    """Within two seconds this process has ended."""
    for _ in range(100):
        try:
            os.kill(pid, 0)
            state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
        except (ProcessLookupError, FileNotFoundError):
            return
        if state == "Z":  # killed; in a container nobody may be there to reap it
            return
        time.sleep(0.02)
    pytest.fail(f"process {pid} is still there")


LIMIT_S = 60.0
WORDS = ("a b", "$HOME", "`id`", "'", '"', "*", ";", "&&", "|", "\\", "", "ü", "new\nline", "-n", "~", "!x", "#")


def assert_arguments_arrive_exactly(target: Target) -> None:
    """No shell on the way makes anything else of them."""
    done = target.run(["printf", "<%s>", *WORDS], timeout_s=LIMIT_S)
    assert (done.status, done.stdout, done.stderr) == (0, "".join(f"<{word}>" for word in WORDS), "")


def assert_status_output_and_input_come_through(target: Target) -> None:
    """Statuses up to the highest, a signal, and a program that is not there."""
    done = target.run(["sh", "-c", "cat; echo bad >&2; exit 7"], timeout_s=LIMIT_S, stdin="grüße\n")
    assert (done.status, done.stdout, done.stderr) == (7, "grüße\n", "bad\n")
    assert target.run(["sh", "-c", "kill -9 $$"], timeout_s=LIMIT_S).status == -9
    assert target.run(["no-such-program"], timeout_s=LIMIT_S).status == 127
    assert target.run(["sh", "-c", "exit 200"], timeout_s=LIMIT_S).status == 200
    done = target.run(["sh", "-c", "echo last >&2; exit 255"], timeout_s=LIMIT_S)
    assert (done.status, done.stderr) == (255, "last\n")


def assert_much_input_and_output_pass(target: Target) -> None:
    """Neither waits for the other, and a program need not read what it is given."""
    text = "0123456789" * 500_000
    assert target.run(["cat"], timeout_s=60, stdin=text).stdout == text
    assert target.run(["true"], timeout_s=60, stdin=text).status == 0


def assert_endless_output_is_stopped(target: Target, folder: Path) -> None:
    """And so is the program that prints it."""
    with pytest.raises(TargetError, match="more than 16 MiB"):
        target.run(["sh", "-c", f"echo $$ >{folder}/pid; exec cat /dev/zero"], timeout_s=60)
    assert_gone(int((folder / "pid").read_text()))


def assert_the_time_limit_ends_the_group(target: Target, folder: Path, *, limit_s: float, kind: str) -> None:
    """A program and its child end at the limit, and the next command runs."""
    script = f"sleep 300 & echo $! >{folder}/child; echo $$ >{folder}/leader; wait"
    with pytest.raises(CommandTimeoutError, match=rf"sh on {kind}://.* did not end within {limit_s} s"):
        target.run(["sh", "-c", script], timeout_s=limit_s)
    assert_gone(int((folder / "child").read_text()))
    assert_gone(int((folder / "leader").read_text()))
    assert target.run(["echo", "still here"], timeout_s=60).stdout == "still here\n"


def assert_output_is_heard_as_it_comes(target: Target) -> None:
    """Also what is heard before the program ends; and what hearing raises ends it."""
    heard: list[tuple[bytes, float]] = []
    begun = time.monotonic()
    script = "echo one; sleep 1; echo two"
    done = target.run(
        ["sh", "-c", script], timeout_s=30, on_output=lambda chunk: heard.append((chunk, time.monotonic() - begun))
    )
    assert done.stdout == b"".join(chunk for chunk, _ in heard).decode() == "one\ntwo\n"
    assert heard[-1][1] - heard[0][1] > 0.8

    def refuse(_: bytes) -> None:
        raise LookupError("enough")

    begun = time.monotonic()
    with pytest.raises((LookupError, TargetError), match="enough"):
        target.run(["sh", "-c", "echo $$; sleep 60"], timeout_s=90, on_output=refuse)
    assert time.monotonic() - begun < 20


def assert_no_job_is_left(target: Target) -> None:
    """No process of a job below the target's home runs, and no job's folder lies there."""
    until = time.monotonic() + 10
    while _jobs_running(target) and time.monotonic() < until:
        time.sleep(0.05)
    assert _jobs_running(target) == []
    jobs = Path(target.home) / "jobs"
    assert not jobs.exists() or list(jobs.iterdir()) == []


def _jobs_running(target: Target) -> list[str]:
    found = []
    for place in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            line = place.read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:  # it has ended
            continue
        if f"{target.home}/jobs/" in line:
            found.append(line)
    return found
