"""Boards that are brought up and stay up, by the commands a person types."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from edgewright.cli.main import main
from edgewright.targets import open_target
from edgewright.targets.board.emulated import machine_of
from edgewright.targets.board.standing import boards_up
from tests.targets.checks import assert_gone

pytestmark = pytest.mark.emulated
ADDRESS = "emulated://raspberry-pi-zero-2-w"
LIMIT_S = 60.0


@pytest.fixture(autouse=True)
def own_state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.setenv("EDGEWRIGHT_STATE_DIR", str(tmp_path / "state"))
    monkeypatch.setenv("EDGEWRIGHT_TARGETS", str(tmp_path / "targets.toml"))
    (tmp_path / "targets.toml").write_text(f'[targets.tiny]\naddress = "{ADDRESS}"\n')
    yield tmp_path / "state"
    for board in boards_up():
        board.stop()


def edgewright(*arguments: str) -> dict[str, Any]:
    """A command in a process of its own, which has ended when this returns; its document."""
    done = subprocess.run(
        [sys.executable, "-m", "edgewright.cli.main", *arguments, "--json"], capture_output=True, text=True, check=True
    )
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def test_a_board_that_is_brought_up_outlives_its_starter_serves_others_and_goes_when_told(
    capfd: pytest.CaptureFixture[str],
) -> None:
    up = edgewright("target", "up", "tiny")
    assert (up["address"], up["clock"]) == (ADDRESS, "instructions")
    assert edgewright("target", "up", ADDRESS)["pid"] == up["pid"]  # once is enough
    assert [each["pid"] for each in edgewright("target", "list")["boards_up"]] == [up["pid"]]

    for word in ("first", "second"):
        with closing(open_target(ADDRESS, instruction_clock=True)) as target:
            assert target.run(["sh", "-c", f"echo {word} >>/root/words; nproc"], timeout_s=LIMIT_S).stdout == "1\n"
    assert main(["target", "shell", "tiny", "--", "cat", "/root/words"]) == 0
    assert capfd.readouterr().out == "first\nsecond\n"
    assert main(["target", "shell", "tiny", "--", "sh", "-c", "exit 7"]) == 7
    assert "Server listening on" in edgewright("target", "logs", "tiny")["console"]

    with closing(open_target(ADDRESS)) as other:  # by another clock it is another board, which goes when closed
        assert other.run(["nproc"], timeout_s=LIMIT_S).stdout == "4\n"
        assert other.run(["cat", "/root/words"], timeout_s=LIMIT_S).status != 0
    assert len(boards_up()) == 1

    assert edgewright("target", "down", "tiny")["stopped"] == [{"address": ADDRESS, "clock": "instructions"}]
    assert_gone(up["pid"])
    assert main(["target", "logs", "tiny"]) == 2
    assert "bring it up with `edgewright target up" in capfd.readouterr().err


def test_a_starter_that_is_killed_leaves_a_board_that_is_listed_and_the_next_one_starts_it_anew(
    own_state: Path,
) -> None:
    command = [sys.executable, "-m", "edgewright.cli.main", "target", "up", ADDRESS]
    with subprocess.Popen(command, stderr=subprocess.DEVNULL) as starter:
        while not (begun := boards_up()):
            assert starter.poll() is None
            time.sleep(0.01)
        os.kill(starter.pid, signal.SIGKILL)
    (board,) = begun
    assert not board.ready
    again = edgewright("target", "up", ADDRESS)
    assert_gone(board.process.pid)
    assert again["pid"] != board.process.pid


def test_the_machine_of_an_address_has_its_profiles_core_and_the_clock_that_was_asked_for() -> None:
    machine = machine_of(ADDRESS, instruction_clock=True)
    assert machine.options() == ["-cpu", "cortex-a53", "-m", "512", "-smp", "1", "-icount", "shift=1"]
    assert machine_of(ADDRESS, instruction_clock=False).options()[-2:] == ["-smp", "4"]
