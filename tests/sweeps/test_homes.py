"""A user without a home: with every place named the commands work, and without one the place to name is told."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent
# As in a container that runs under a number of its own: no passwd entry, no HOME.
HOMELESS = """
import os, pwd, sys

for name in ("HOME", "USER", "LOGNAME", "LNAME", "USERNAME", "XDG_CACHE_HOME", "XDG_DATA_HOME", "XDG_STATE_HOME"):
    os.environ.pop(name, None)

def unknown(number):
    raise KeyError(f"getpwuid(): uid not found: {number}")

pwd.getpwuid = unknown
from edgewright.cli.main import main

sys.exit(main(sys.argv[1:]))
"""
PLACES = ("CACHE_DIR", "DATA_DIR", "STATE_DIR", "HOME")


def run(*arguments: str, cwd: Path, **places: Path) -> "subprocess.CompletedProcess[str]":
    environment = {name: value for name, value in os.environ.items() if not name.startswith("EDGEWRIGHT_")}
    stated = {f"EDGEWRIGHT_{name}": str(place) for name, place in places.items()}
    return subprocess.run(
        [sys.executable, "-c", HOMELESS, *arguments],
        env={**environment, **stated, "PYTHONPATH": str(ROOT)},
        cwd=cwd,
        capture_output=True,
        text=True,
        timeout=120,
    )


@pytest.mark.parametrize(
    "arguments",
    [
        ("profiles", "list"),
        ("recipes", "list"),
        ("target", "list"),
        ("history", "list"),
        ("target", "probe", "local:"),
        ("predict", "demo", "--profile", "raspberry-pi-4"),
    ],
)
def test_a_user_without_a_home_works_where_every_place_is_named(tmp_path: Path, arguments: tuple[str, ...]) -> None:
    places = {name: tmp_path / name.lower() for name in PLACES}
    done = run(*arguments, cwd=tmp_path, HISTORY=tmp_path / "history.sqlite", **places)
    assert done.returncode == 0, done.stderr
    assert not (tmp_path / "~").exists()


def test_a_user_without_a_home_is_told_which_place_to_name(tmp_path: Path) -> None:
    done = run("target", "probe", "local:", cwd=tmp_path)
    assert done.returncode == 2, done.stderr
    assert "this user has no home directory" in done.stderr
    assert "unexpected" not in done.stderr
    assert not (tmp_path / "~").exists()


def test_a_path_of_a_home_that_cannot_be_told_is_refused(tmp_path: Path) -> None:
    done = run("build", "~/mine.toml", "--profile", "raspberry-pi-4", "-o", "out", cwd=tmp_path)
    assert done.returncode == 2, done.stderr
    assert "~/mine.toml starts from a home directory that is not known; write it out" in done.stderr
