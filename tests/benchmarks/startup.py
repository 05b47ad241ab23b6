"""How long the command line takes to answer, and an emulated board to let someone in.

    python -m tests.benchmarks.startup [--json] [--quick]

Whole processes, the median of several; the board's disk is made first where it has not been. `bench` is timed up to the
moment at which it opens its bundle.
"""

import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

from edgewright.targets import open_target
from tests import light
from tests.benchmarks.machine import shown
from tests.benchmarks.options import parsed

BOARD = "emulated://raspberry-pi-4"
GOALS_S = {"edgewright --help": 0.3, "edgewright bench, light install": 1.0, "boot to an SSH login": 5.0}


def main() -> None:
    options = parsed(__doc__)
    rounds = 3 if options.quick else 9
    open_target(BOARD).close()
    found = {"edgewright --help": seconds(show_help, rounds)}
    with tempfile.TemporaryDirectory() as place:
        installed = light.install(Path(place))
        found["edgewright bench, light install"] = seconds(lambda: start_bench(installed), rounds)
    found["boot to an SSH login"] = seconds(boot, rounds // 3)
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


def start_bench(installed: light.LightInstall) -> float:
    """Up to the moment at which a bundle is opened: there is none, and by then everything is imported."""
    started = time.perf_counter()
    ended = installed.edgewright("bench", "no-bundle", "--target", "local:", cwd=installed.site.parent)
    took_s = time.perf_counter() - started
    assert ended.returncode == 2, ended.stderr
    return took_s


def boot() -> float:
    started = time.perf_counter()
    target = open_target(BOARD)
    took_s = time.perf_counter() - started
    target.close()
    return took_s


if __name__ == "__main__":
    main()
