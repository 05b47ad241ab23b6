"""A file that is written whole takes its place at the end, or leaves what was there."""

import os
import signal
import stat
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from edgewright.base.once import made_once, sweep_unfinished, unfinished_folder, written_whole
from edgewright.errors import InputError


def test_a_file_takes_its_place_once_it_is_whole(tmp_path: Path) -> None:
    file = tmp_path / "report.md"
    file.write_text("before")
    with written_whole(file) as unfinished:
        unfinished.write_text("after")
        assert file.read_text() == "before"
    assert file.read_text() == "after"
    assert list(tmp_path.iterdir()) == [file]


def test_an_error_leaves_what_was_there_and_nothing_beside_it(tmp_path: Path) -> None:
    file = tmp_path / "report.md"
    file.write_text("before")

    def fail() -> None:
        with written_whole(file) as unfinished:
            unfinished.write_text("half")
            raise OSError("no space left")

    with pytest.raises(OSError, match="no space"):
        fail()
    assert file.read_text() == "before"
    assert list(tmp_path.iterdir()) == [file]


def test_a_device_or_pipe_is_written_into_and_stays_what_it_is(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    seen: list[bytes] = []
    reader = threading.Thread(target=lambda: seen.append(pipe.read_bytes()))
    reader.start()
    with written_whole(pipe) as content:
        content.write_text("into the pipe")
    reader.join()
    assert seen == [b"into the pipe"]
    assert stat.S_ISFIFO(pipe.stat().st_mode)
    with written_whole(Path("/dev/null")) as content:
        content.write_text("nowhere")
    assert stat.S_ISCHR(Path("/dev/null").stat().st_mode)


def test_a_full_device_is_reported_and_stays_what_it_is() -> None:
    def write() -> None:
        with written_whole(Path("/dev/full")) as content:
            content.write_text("too much")

    with pytest.raises(OSError, match="No space left"):
        write()
    assert stat.S_ISCHR(Path("/dev/full").stat().st_mode)


def test_a_name_laid_out_beforehand_is_not_followed(tmp_path: Path) -> None:
    file, secret = tmp_path / "report.md", tmp_path / "secret"
    secret.write_text("untouched")
    (tmp_path / "report.md.part").symlink_to(secret)
    with written_whole(file) as unfinished:
        assert unfinished.parent == tmp_path
        assert len(unfinished.name) > len(file.name) + 16
        unfinished.write_text("mine")
    assert (secret.read_text(), file.read_text()) == ("untouched", "mine")


def test_the_target_of_a_link_is_written_and_the_link_stays(tmp_path: Path) -> None:
    (tmp_path / "real.md").write_text("before")
    (tmp_path / "link.md").symlink_to(tmp_path / "real.md")
    with written_whole(tmp_path / "link.md") as unfinished:
        unfinished.write_text("after")
    assert (tmp_path / "link.md").is_symlink()
    assert (tmp_path / "real.md").read_text() == "after"


def test_a_new_file_has_the_users_mask_and_an_old_one_keeps_its_mode(tmp_path: Path) -> None:
    file = tmp_path / "report.md"
    before = os.umask(0o027)
    try:
        with written_whole(file) as unfinished:
            unfinished.write_text("new")
        assert stat.S_IMODE(file.stat().st_mode) == 0o640
        with written_whole(tmp_path / "private", mode=0o600) as unfinished:
            unfinished.write_text("new")
        assert stat.S_IMODE((tmp_path / "private").stat().st_mode) == 0o600
    finally:
        os.umask(before)
    file.chmod(0o604)
    with written_whole(file) as unfinished:
        unfinished.write_text("again")
    assert stat.S_IMODE(file.stat().st_mode) == 0o604


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("nowhere/report.md", "there is no folder .*nowhere to write report.md into; make it"),
        ("folder", "is a folder; give the name of a file in it"),
        ("ü" * 120 + "/../y" * 40, "is no file that can be written|there is no folder"),
        ("x" * 300, "is no file that can be written: .*File name too long"),
        ("circle", "is no file that can be written"),
    ],
)
def test_a_place_that_no_file_can_have_is_reported(tmp_path: Path, name: str, said: str) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "circle").symlink_to(tmp_path / "circle")

    def write() -> None:
        with written_whole(tmp_path / name) as unfinished:
            unfinished.write_text("text")

    with pytest.raises(InputError, match=said):
        write()


KILLED = """
import os, signal, sys
from pathlib import Path
from edgewright.base.once import made_once

def make(folder):
    (folder / "half").write_bytes(bytes(1000))
    os.kill(os.getpid(), signal.SIGKILL)

made_once(Path(sys.argv[1]), make)
"""


def test_what_a_killed_process_left_goes_with_the_next_and_what_a_living_one_makes_stays(tmp_path: Path) -> None:
    killed = subprocess.run([sys.executable, "-c", KILLED, str(tmp_path / "a")], check=False)
    assert killed.returncode == -signal.SIGKILL
    (left,) = tmp_path.glob(".unfinished-*")
    os.utime(left, (0, 0))
    with unfinished_folder(tmp_path) as living:
        os.utime(living, (0, 0))
        assert not left.exists()
        made_once(tmp_path / "a", lambda folder: (folder / "whole").touch())
        assert living.is_dir()
    assert (tmp_path / "a" / "whole").is_file()
    assert not list(tmp_path.glob(".unfinished-*"))


def test_a_folder_that_only_looks_unfinished_is_left_alone(tmp_path: Path) -> None:
    mine = tmp_path / ".unfinished-business-of-mine"
    mine.mkdir()
    os.utime(mine, (0, 0))
    assert sweep_unfinished(tmp_path) == 0
    assert mine.is_dir()
