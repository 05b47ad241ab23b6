"""Text files as documents: what a document is, what is read of a folder, and what is refused."""

from pathlib import Path

import pytest

from edgewright.data import text_files
from edgewright.data.text_files import files_digest, read_text_files
from edgewright.errors import BadDataError

TALE = "Once upon a time\nthere was a king.\n\n  \nHe had a daughter. 👑\n\nThe end.\n"


def written(folder: Path, **files: str) -> Path:
    for name, text in files.items():
        place = folder / name.replace("__", "/").replace("_", ".")
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(text, encoding="utf-8")
    return folder


def test_a_file_alone_is_parted_by_blank_lines(tmp_path: Path) -> None:
    written(tmp_path, tale_txt=TALE)
    parts = read_text_files(tmp_path / "tale.txt", None)
    assert [part.text for part in parts] == ["Once upon a time\nthere was a king.", "He had a daughter. 👑", "The end."]
    assert {part.file for part in parts} == {"tale.txt"}


def test_a_file_of_a_folder_is_one_document_in_the_order_of_names(tmp_path: Path) -> None:
    written(tmp_path, b_md="second", a_txt=TALE, deep__c_txt="third", deep__ignored_rst="no", _hidden_txt="no")
    parts = read_text_files(tmp_path, None)
    assert [(part.file, part.text) for part in parts] == [
        ("a.txt", TALE.strip()), ("b.md", "second"), ("deep/c.txt", "third"),
    ]  # fmt: skip


@pytest.mark.parametrize(("unit", "count"), [("file", 1), ("paragraph", 3), ("line", 4)])
def test_the_unit_says_what_a_document_is(tmp_path: Path, unit: text_files.DocumentUnit, count: int) -> None:
    written(tmp_path, tale_txt=TALE)
    assert len(read_text_files(tmp_path, unit)) == count
    assert len(read_text_files(tmp_path / "tale.txt", unit)) == count


def test_line_ends_of_windows_and_a_mark_of_the_byte_order_are_no_text(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_bytes(b"\xef\xbb\xbfone\r\n\r\ntwo")
    assert [part.text for part in read_text_files(tmp_path / "a.txt", None)] == ["one", "two"]


def test_all_that_cannot_be_read_is_told_in_one_sentence(tmp_path: Path) -> None:
    written(tmp_path, good_txt="text", empty_txt="", blank_md=" \n\t\n")
    (tmp_path / "latin.txt").write_bytes("caf\u00e9".encode("latin-1"))
    with pytest.raises(BadDataError) as caught:
        read_text_files(tmp_path, None)
    for said in ("empty.txt is empty; write text into it or remove it", "blank.md is empty", "latin.txt is not UTF-8"):
        assert said in str(caught.value)
    assert "good.txt" not in str(caught.value)


def test_a_folder_without_text_files_is_refused(tmp_path: Path) -> None:
    written(tmp_path, notes_rst="no")
    with pytest.raises(BadDataError, match=r"holds no text file; give one of files ending in \.txt or \.md"):
        read_text_files(tmp_path, None)


def test_a_path_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadDataError, match="check the path in the recipe"):
        read_text_files(tmp_path / "absent.txt", None)


def test_a_file_too_large_is_refused_before_it_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(text_files, "LARGEST_FILE", 3)
    written(tmp_path, tale_txt=TALE)
    with pytest.raises(BadDataError, match="cut it into files"):
        read_text_files(tmp_path, None)


def test_a_linked_folder_is_not_followed(tmp_path: Path) -> None:
    written(tmp_path / "texts", a_txt="a")
    (tmp_path / "texts" / "round").symlink_to(tmp_path / "texts")
    assert len(read_text_files(tmp_path / "texts", None)) == 1


def test_progress_hears_of_the_files(tmp_path: Path) -> None:
    written(tmp_path, a_txt="a", b_txt="b")
    heard: list[tuple[int, int]] = []
    read_text_files(tmp_path, None, on_progress=lambda done, total: heard.append((done, total)))
    assert heard == [(0, 2)]


def test_the_digest_changes_with_a_name_and_with_a_content(tmp_path: Path) -> None:
    written(tmp_path, a_txt="a", b_txt="b")
    before = files_digest(tmp_path)
    (tmp_path / "b.txt").write_text("c")
    changed = files_digest(tmp_path)
    (tmp_path / "b.txt").rename(tmp_path / "d.txt")
    assert len({tuple(before), tuple(changed), tuple(files_digest(tmp_path))}) == 3
