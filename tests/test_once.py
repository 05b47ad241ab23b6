"""A file that is written whole takes its place at the end, or leaves what was there."""

from pathlib import Path

import pytest

from toolchain.once import written_whole


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
