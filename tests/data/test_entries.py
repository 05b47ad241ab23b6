"""Entries of a folder of examples: in order, without hidden ones, named in UTF-8."""

import os
from pathlib import Path

import pytest

from edgewright.data.entries import shown_entries
from edgewright.errors import BadDataError


def test_hidden_entries_are_left_out_and_the_others_are_sorted(tmp_path: Path) -> None:
    for name in ("b", ".hidden", "a"):
        (tmp_path / name).touch()
    assert [entry.name for entry in shown_entries(tmp_path)] == ["a", "b"]


def test_a_name_that_is_not_utf_8_is_told_as_it_is(tmp_path: Path) -> None:
    (tmp_path / os.fsdecode(b"caf\xe9")).touch()
    with pytest.raises(BadDataError, match=r"the name b'caf\\xe9' is not UTF-8; rename it"):
        shown_entries(tmp_path)


def test_a_folder_that_is_not_there_is_told_with_what_to_check(tmp_path: Path) -> None:
    with pytest.raises(BadDataError, match="cannot be read: No such file or directory; check the path in the recipe"):
        shown_entries(tmp_path / "none")
