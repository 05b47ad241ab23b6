"""A file of what was kept of devices: the sound of it is used, the rest lies beside it, and the user is told."""

import json
from pathlib import Path

import pytest
from pydantic import BaseModel, Field

from edgewright.base.set_aside import read_kept


class Entry(BaseModel):
    """One factor."""

    name: str
    factor: float = Field(gt=0)


class Kept(BaseModel):
    """A file of them."""

    schema_version: int = Field(ge=1, le=1)
    rows: tuple[Entry, ...]


GOOD = {"name": "a", "factor": 1.5}


def read(file: Path) -> Kept | None:
    return read_kept(file, Kept, entries="rows", entry=Entry)


def write(file: Path, *rows: object, version: int = 1) -> Path:
    file.write_text(json.dumps({"schema_version": version, "rows": rows}))
    return file


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "corrections.json"


def test_a_file_that_is_not_there_holds_nothing(file: Path, caplog: pytest.LogCaptureFixture) -> None:
    assert read(file) is None
    assert caplog.text == ""


def test_a_sound_file_is_read_and_left_as_it_is(file: Path, caplog: pytest.LogCaptureFixture) -> None:
    before = write(file, GOOD).read_bytes()
    found = read(file)
    assert found is not None
    assert found.rows == (Entry(name="a", factor=1.5),)
    assert file.read_bytes() == before
    assert (caplog.text, [each.name for each in file.parent.iterdir()]) == ("", [file.name])


def test_entries_that_cannot_be_are_set_aside_and_the_others_stay(file: Path, caplog: pytest.LogCaptureFixture) -> None:
    before = write(file, GOOD, {"name": "b", "factor": -1}, "no entry", {"factor": 2}).read_bytes()
    found = read(file)
    assert found is not None
    assert [each.name for each in found.rows] == ["a"]
    aside = file.with_name("corrections.json.set-aside")
    assert aside.read_bytes() == before
    for part in ("rows[1].factor", "rows[2]", "rows[3].name", str(aside), "its other 1 entries are kept"):
        assert part in caplog.text
    caplog.clear()
    assert read(file) == found  # what was rewritten is whole
    assert caplog.text == ""


@pytest.mark.parametrize("content", ["", "{", "[]", "3", '{"schema_version": 2, "rows": []}', '{"rows": 3}'])
def test_a_file_that_is_none_of_these_is_set_aside_whole(
    file: Path, content: str, caplog: pytest.LogCaptureFixture
) -> None:
    file.write_text(content)
    assert read(file) is None
    assert not file.exists()
    assert file.with_name("corrections.json.set-aside").read_text() == content
    assert "nothing of it is used" in caplog.text


def test_what_was_set_aside_before_is_not_overwritten(file: Path) -> None:
    for number in range(3):
        file.write_text(f"broken {number}")
        assert read(file) is None
    aside = sorted(each.read_text() for each in file.parent.glob("*.set-aside*"))
    assert aside == ["broken 0", "broken 1", "broken 2"]


def test_many_faults_are_reported_shortly_in_one_line(file: Path, caplog: pytest.LogCaptureFixture) -> None:
    write(file, GOOD, *({"name": f"bad\n{number}", "factor": 0} for number in range(9)))
    read(file)
    (record,) = caplog.records
    assert "and 6 more" in record.getMessage()
    assert "\n" not in record.getMessage()
