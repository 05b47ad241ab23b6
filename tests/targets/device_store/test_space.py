"""How much room a machine has left, as any df tells it."""

import shutil
import subprocess
from pathlib import Path

import pytest

from edgewright.targets.device_store.space import FREE_SPACE_SCRIPT, free_bytes

HEAD = "Filesystem     1024-blocks    Used Available Capacity Mounted on\n"


@pytest.mark.parametrize(
    ("text", "free"),
    [
        (f"{HEAD}/dev/root         29837368 5000000  23500000      18% /\n", 23_500_000 * 1024),
        (f"{HEAD}//server/my share  1000 400 600 40% /mnt/my share\n", 600 * 1024),
        (f"{HEAD}overlay 100 100 0 100% /\n", 0),
        ("a warning\n" + f"{HEAD}tmpfs 10 0 10 0% /tmp", 10 * 1024),
        ("", None),
        (HEAD, None),
        ("df: /nowhere: No such file or directory", None),
        (f"{HEAD}/dev/root - - - - /\n", None),
        (f"{HEAD}/dev/root 10 5 -5 100% /\n", None),
        (f"{HEAD}/dev/root 1 1 {'9' * 5000} 1% /\n", None),
    ],
)
def test_the_room_is_read_from_the_last_line_whatever_names_hold_spaces(text: str, free: int | None) -> None:
    assert free_bytes(text) == free


def test_a_folder_that_is_not_there_yet_has_the_room_of_what_it_will_lie_in(tmp_path: Path) -> None:
    there = tmp_path / "not" / "yet" / "there"
    done = subprocess.run(["sh", "-c", FREE_SPACE_SCRIPT, "sh", str(there)], capture_output=True, text=True, check=True)
    assert free_bytes(done.stdout) == pytest.approx(shutil.disk_usage(tmp_path).free, rel=0.05)
