"""`make quick` and `make demo` with a stand-in for the program: what is run, and what `make` ends with."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
# Under `make test` the outer make's flags stand in the environment, and with them what it says on entering a folder.
PLAIN = {name: value for name, value in os.environ.items() if not name.startswith(("MAKE", "MFLAGS"))}
pytestmark = pytest.mark.skipif(shutil.which("make") is None, reason="there is no make")


def make(*argv: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["make", *argv], cwd=ROOT, env=PLAIN, capture_output=True, text=True, timeout=60)


def made(goal: str, place: Path, *, build: int = 0, bench: int = 0) -> tuple[subprocess.CompletedProcess[str], str]:
    """Make the goal where the verbs end with these codes; what make said, and the verbs as they were called."""
    program = place / "bin" / "edgewright"
    program.parent.mkdir()
    program.write_text(
        f'#!/bin/sh\necho "$*" >> {place}/called\n'
        f"case $1 in build) exit {build};; bench) exit {bench};; esac\nexit 0\n",
        encoding="utf-8",
    )
    program.chmod(0o755)
    said = make("-o", "install", f"BIN={place}/bin", goal)
    return said, (place / "called").read_text(encoding="utf-8")


@pytest.mark.parametrize("goal", ["quick", "demo"])
def test_a_goal_tells_how_long_it_takes_then_builds_and_benches(goal: str, tmp_path: Path) -> None:
    said, called = made(goal, tmp_path)
    assert said.returncode == 0, said.stderr
    build, bench = called.splitlines()
    assert build.startswith(f"build {goal} --profile ")
    assert bench.startswith(f"bench build/{goal} --target {'local:' if goal == 'quick' else 'emulated://'}")
    assert "on two quiet cores" in said.stdout
    assert said.stdout.index("on two quiet cores") < said.stdout.index(f"build {goal}")


@pytest.mark.parametrize("goal", ["quick", "demo"])
def test_a_bundle_that_missed_its_budget_is_benched_all_the_same_and_make_still_says_so(
    goal: str, tmp_path: Path
) -> None:
    said, called = made(goal, tmp_path, build=1)
    assert [line.split()[0] for line in called.splitlines()] == ["build", "bench"]
    assert said.returncode == 2  # make's own for a recipe that failed
    assert "Error 1" in said.stderr


@pytest.mark.parametrize(("build", "bench", "verbs", "code"), [(0, 1, 2, 1), (0, 3, 2, 3), (1, 3, 2, 3), (4, 0, 1, 4)])
def test_what_make_ends_with_is_what_went_wrong(build: int, bench: int, verbs: int, code: int, tmp_path: Path) -> None:
    said, called = made("demo", tmp_path, build=build, bench=bench)
    assert len(called.splitlines()) == verbs  # where there is no bundle there is nothing to bench
    assert f"Error {code}" in said.stderr


def test_help_names_the_quick_way_first() -> None:
    said = make("help").stdout.splitlines()
    assert said[0].startswith("make quick")
    assert "half a minute" in said[0]
    assert said[1].startswith("make demo")
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    assert readme.index("make quick") < readme.index("make demo")
