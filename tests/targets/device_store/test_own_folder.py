"""A target's home is its user's alone; a folder that a user named keeps the mode it has."""

import subprocess
from pathlib import Path

import pytest

from edgewright.targets.device_store.own_folder import OWN_FOLDER


def made(folder: Path) -> int:
    script = f'{OWN_FOLDER}umask 022\nown_folder "$1"'
    return subprocess.run(["sh", "-c", script, "sh", str(folder)], capture_output=True, check=False).returncode


@pytest.mark.parametrize("name", [".edgewright", "deep/er/.edgewright", "with space/.edgewright", "own"])
def test_what_it_makes_is_for_its_user_alone(tmp_path: Path, name: str) -> None:
    assert made(tmp_path / name) == 0
    assert (tmp_path / name).stat().st_mode & 0o777 == 0o700


def test_ours_from_before_is_closed_and_another_is_left_as_it_is(tmp_path: Path) -> None:
    for name, mode in ((".edgewright", 0o700), ("shared", 0o755)):
        (tmp_path / name).mkdir(mode=0o755)
        (tmp_path / name).chmod(0o755)
        assert made(tmp_path / name) == 0
        assert (tmp_path / name).stat().st_mode & 0o777 == mode


def test_a_file_in_its_place_is_a_failure(tmp_path: Path) -> None:
    (tmp_path / ".edgewright").write_text("")
    assert made(tmp_path / ".edgewright") != 0
    assert made(tmp_path / ".edgewright" / "below") != 0
