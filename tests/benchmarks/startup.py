"""How long the command line takes to answer, and an emulated board to let someone in.

    python -m tests.benchmarks.startup [--json] [--quick]

Whole processes, the median of several; the board's disk is made first where it has not been.
"""

import subprocess
import sys
import time
from collections.abc import Callable
from statistics import median
from typing import Any

from edgewright.targets import open_target
from tests.benchmarks.machine import shown
from tests.benchmarks.options import parsed

BOARD = "emulated://raspberry-pi-4"
GOALS_S = {"edgewright --help": 0.3, "boot to an SSH login": 5.0}


def main() -> None:
    options = parsed(__doc__)
    rounds = 3 if options.quick else 9
    open_target(BOARD).close()
    found = {"edgewright --help": seconds(show_help, rounds), "boot to an SSH login": seconds(boot, rounds // 3)}
    shown(options, {"median_s": found, "goals_s": GOALS_S}, table)


def table(found: dict[str, Any]) -> str:
    """The figures as Markdown."""
    rows = [
        f"| {name} | {took_s:.2f} s | under {found['goals_s'][name]:g} s |"
        for name, took_s in found["median_s"].items()
    ]
    return "\n".join(["| | median | goal |", "|---|---|---|", *rows])


def seconds(work: Callable[[], float], rounds: int) -> float:
    return median(work() for _ in range(rounds))


def show_help() -> float:
    started = time.perf_counter()
    subprocess.run([sys.executable, "-m", "edgewright.cli.main", "--help"], capture_output=True, check=True)
    return time.perf_counter() - started


def boot() -> float:
    started = time.perf_counter()
    target = open_target(BOARD)
    took_s = time.perf_counter() - started
    target.close()
    return took_s


if __name__ == "__main__":
    main()
