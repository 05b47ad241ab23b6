import os
import subprocess
from pathlib import Path

from edgewright.targets.board.scheduling import undisturbed


def test_a_program_that_is_to_have_the_core_gets_its_exact_arguments_and_its_status_is_reported() -> None:
    said = 'echo "$1"; exit 7'
    command = undisturbed(["sh", "-c", said, "sh", "two  words $HOME"], limit_s=5)
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (7, "two  words $HOME\n", "")


def test_where_a_user_may_not_have_the_core_a_program_runs_as_any_other(tmp_path: Path) -> None:
    for name in ("sync", "sh", "cat"):
        found = next(Path(folder) / name for folder in os.get_exec_path() if (Path(folder) / name).exists())
        (tmp_path / name).symlink_to(found)
    (tmp_path / "chrt").write_text("#!/bin/sh\necho refused >&2\nexit 1\n")
    (tmp_path / "chrt").chmod(0o755)
    done = subprocess.run(
        undisturbed(["cat"], limit_s=5), capture_output=True, text=True, input="here", env={"PATH": str(tmp_path)},
        check=False,
    )  # fmt: skip
    assert (done.returncode, done.stdout, done.stderr) == (0, "here", "")
