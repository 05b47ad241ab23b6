"""By a clock that counts instructions nothing but the model is counted, whatever the host is doing."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path
from statistics import median
from typing import Any

import pytest

from edgewright.devices.benchmark import bench
from edgewright.errors import CommandTimeoutError
from edgewright.measure.protocol import Protocol
from edgewright.report.compare import compare
from edgewright.report.gate import GateLimits, decide
from edgewright.report.measured import read_measured
from edgewright.targets import open_target
from edgewright.targets.base import Target
from edgewright.targets.board.scheduling import undisturbed
from tests.benchmarks.gates import BOARD, Student, bundled

pytestmark = pytest.mark.emulated
SAMPLES = (
    2000  # of two milliseconds: some four seconds of the board, in which the kernel has whatever it does by itself
)
INTERRUPTS_MS = 0.5
LIMIT_S = 60.0


@contextmanager
def every_core_busy() -> Iterator[None]:
    started = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(os.cpu_count() or 1)]
    try:
        yield
    finally:
        for each in started:
            each.kill()
            each.wait()


@pytest.fixture(scope="module")
def clocked() -> Iterator[Target]:
    with closing(open_target(BOARD, instruction_clock=True)) as target:
        yield target


def measured(place: Path, built: Path) -> dict[str, Any]:
    """A bench on a board of its own, as `edgewright bench --json` prints it."""
    found = bench(built, BOARD).summary()
    place.write_text(json.dumps(found), encoding="utf-8")
    return found


@pytest.mark.slow
def test_an_unchanged_build_passes_its_gate_on_a_quiet_host_and_with_every_core_busy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    protocol = replace(Protocol.instructions(), samples=SAMPLES, max_seconds=30.0)
    monkeypatch.setattr(Protocol, "instructions", lambda: protocol)
    (tmp_path / "built").mkdir()
    built = bundled(Student().eval(), tmp_path / "built").path
    quiet = measured(tmp_path / "quiet.json", built)
    with every_core_busy():
        busy = measured(tmp_path / "busy.json", built)
    for found in (quiet, busy):
        samples = found["latency_ms"]["samples"]
        inputs = len(found["input_lengths"])
        alike = [samples[place::inputs] for place in range(inputs)]
        assert len(samples) >= SAMPLES
        assert max(max(each) - median(each) for each in alike) < INTERRUPTS_MS
        assert (found["stable"], found["reasons"]) == (True, [])
    before, after = (read_measured(tmp_path / f"{name}.json") for name in ("quiet", "busy"))
    for comparison in (compare(before, after), compare(after, before)):
        assert not comparison.obstacles
        decision = decide(comparison, GateLimits(slowdown_percent=0.5))
        assert [each.outcome for each in decision.findings] == ["passed"]


def test_what_is_timed_has_the_core_to_itself_and_is_ended_where_it_keeps_it(clocked: Target) -> None:
    said = clocked.run(undisturbed(["chrt", "--pid", "0"], limit_s=5), timeout_s=LIMIT_S)
    assert "SCHED_FIFO" in said.stdout
    endless = undisturbed(["sh", "-c", "while :; do :; done"], limit_s=0.5)
    assert clocked.run(endless, timeout_s=LIMIT_S).status < 0
    assert clocked.run(["true"], timeout_s=LIMIT_S).status == 0


def test_a_run_that_keeps_the_core_past_our_limit_is_told_and_the_board_answers_after_it(clocked: Target) -> None:
    endless = undisturbed(["sh", "-c", "while :; do :; done"], limit_s=3)
    with pytest.raises(CommandTimeoutError):
        clocked.run(endless, timeout_s=1)
    assert clocked.run(["true"], timeout_s=LIMIT_S).status == 0


def test_nothing_is_written_back_and_no_memory_gathered_by_itself(clocked: Target) -> None:
    files = (
        "/proc/sys/vm/dirty_writeback_centisecs",
        "/sys/kernel/mm/transparent_hugepage/khugepaged/defrag",
        "/proc/sys/kernel/sched_rt_runtime_us",
    )
    assert clocked.run(["cat", *files], timeout_s=LIMIT_S).stdout.split() == ["0", "0", "-1"]
    assert "noinit_itable" in clocked.run(["cat", "/proc/mounts"], timeout_s=LIMIT_S).stdout
