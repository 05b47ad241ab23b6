"""Rows from files: what is read, and how each fault in a file is told."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from toolchain.data import readers
from toolchain.data.readers import read_lines, read_rows
from toolchain.errors import BadDataError

ROWS = [{"text": "rain, and\nsnow", "label": "weather"}, {"text": "café „Süd“ 北", "label": "kitchen"}]
WANTED = {"text": "text", "label": "label"}


def write_csv(path: Path) -> Path:
    path = path.with_suffix(".csv")
    lines = "".join(f'"{row["text"]}",{row["label"]}\n' for row in ROWS)
    path.write_text("text,label\n" + lines, encoding="utf-8")
    return path


def write_jsonl(path: Path) -> Path:
    path = path.with_suffix(".jsonl")
    path.write_text("\n".join(json.dumps(row) for row in ROWS) + "\n\n", encoding="utf-8")
    return path


def write_parquet(path: Path) -> Path:
    pyarrow = pytest.importorskip("pyarrow")
    from pyarrow import parquet

    path = path.with_suffix(".parquet")
    parquet.write_table(pyarrow.Table.from_pylist(ROWS), path)
    return path


@pytest.mark.parametrize("write", [write_csv, write_jsonl, write_parquet])
def test_every_format_gives_the_same_rows(tmp_path: Path, write: Callable[[Path], Path]) -> None:
    assert read_rows(write(tmp_path / "rows"), WANTED) == ROWS


@pytest.mark.parametrize("write", [write_csv, write_jsonl, write_parquet])
def test_a_missing_column_is_told_with_the_nearest_name(tmp_path: Path, write: Callable[[Path], Path]) -> None:
    with pytest.raises(BadDataError, match=r"no column 'lable'; did you mean label\?"):
        read_rows(write(tmp_path / "rows"), {"text": "text", "label": "lable"})


def test_fields_are_read_from_the_columns_that_are_named_and_without_outer_white_space(tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    path.write_text("id,question\n1,  why is it so? \n")
    assert read_rows(path, {"text": "question"}) == [{"text": "why is it so?"}]


def test_a_spreadsheets_byte_order_mark_and_line_ends_change_nothing(tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    path.write_bytes(b"\xef\xbb\xbftext,label\r\nrain,weather\r\n")
    assert read_rows(path, WANTED) == [{"text": "rain", "label": "weather"}]


@pytest.mark.parametrize("separator", ["\u2028", "\x85", "\x0c", "\x1c"])
def test_a_line_separator_inside_a_text_does_not_end_its_row(tmp_path: Path, separator: str) -> None:
    row = {"text": f"rain{separator}snow", "label": "weather"}
    (tmp_path / "rows.csv").write_text(f"text,label\n{row['text']},weather\n", encoding="utf-8")
    (tmp_path / "rows.jsonl").write_text('{"text": "rain\u2028snow", "label": "weather"}\n', encoding="utf-8")
    assert read_rows(tmp_path / "rows.csv", WANTED) == [row]
    assert read_rows(tmp_path / "rows.jsonl", WANTED) == [{**row, "text": "rain\u2028snow"}]


def test_all_empty_cells_are_told_at_once_with_their_lines(tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    path.write_text('text,label\nrain,weather\n,weather\n"two\nlines",\nsnow\n')
    with pytest.raises(BadDataError) as caught:
        read_rows(path, WANTED)
    assert "line 3: text is empty; line 5: label is empty; line 6: label is empty" in str(caught.value)


def test_more_empty_cells_than_are_shown_are_counted(tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    path.write_text("text,label\n" + "rain,\n" * 8)
    with pytest.raises(BadDataError, match="and 3 more; fill these cells"):
        read_rows(path, WANTED)


def test_a_column_that_only_some_json_rows_have_is_told_with_the_line(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_text('{"text": "rain", "label": "weather"}\n\n{"text": "snow"}\n{"text": null, "label": "weather"}\n')
    with pytest.raises(BadDataError, match="line 3: label is empty; line 4: text is empty"):
        read_rows(path, WANTED)


@pytest.mark.parametrize(("line", "said"), [("{no", "not JSON"), ("[1, 2]", "not a JSON object")])
def test_a_line_that_is_no_json_object_is_told_with_its_number(tmp_path: Path, line: str, said: str) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_text(f'{{"text": "rain"}}\n{line}\n')
    with pytest.raises(BadDataError, match=f"line 2: {said}"):
        read_rows(path, {"text": "text"})


@pytest.mark.parametrize("name", ["rows.csv", "rows.jsonl"])
def test_a_file_that_is_not_utf8_is_told_with_the_place(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes("text\nGrüße\n".encode("latin-1"))
    with pytest.raises(BadDataError, match="not UTF-8 text at byte 7; save it as UTF-8"):
        read_rows(tmp_path / name, {"text": "text"})


def test_a_cell_larger_than_csv_allows_is_bad_data_and_no_traceback(tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    path.write_text("text\n" + "a" * 200_000 + "\n")
    with pytest.raises(BadDataError, match=r"rows\.csv, line 2"):
        read_rows(path, {"text": "text"})


def test_a_parquet_file_of_other_bytes_is_bad_data(tmp_path: Path) -> None:
    pytest.importorskip("pyarrow")
    (tmp_path / "rows.parquet").write_bytes(b"PAR1 and nothing else")
    with pytest.raises(BadDataError, match="cannot be read as Parquet"):
        read_rows(tmp_path / "rows.parquet", WANTED)


@pytest.mark.parametrize("name", ["rows.csv", "rows.jsonl", "rows.parquet"])
def test_a_file_that_is_not_there_is_bad_data(tmp_path: Path, name: str) -> None:
    with pytest.raises(BadDataError, match="cannot be read"):
        read_rows(tmp_path / name, WANTED)


def test_an_unknown_format_is_told_with_the_known_ones(tmp_path: Path) -> None:
    with pytest.raises(BadDataError, match=r"neither \.csv, \.jsonl nor \.parquet"):
        read_rows(tmp_path / "rows.xlsx", WANTED)


def test_the_lines_of_a_text_file_are_those_that_say_something(tmp_path: Path) -> None:
    (tmp_path / "more.txt").write_text("one\n\n   \n two \n")
    assert read_lines(tmp_path / "more.txt") == ["one", "two"]


def test_a_digest_changes_with_one_byte_and_a_missing_file_has_none(tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    path.write_text("text\nrain\n")
    before = readers.content_digest(path)
    path.write_text("text\nrair\n")
    assert readers.content_digest(path) != before
    with pytest.raises(BadDataError, match="No such file"):
        readers.content_digest(tmp_path / "other.csv")
