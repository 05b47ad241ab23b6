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
