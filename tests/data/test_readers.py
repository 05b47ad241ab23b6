"""Rows from files: what is read, and how each fault in a file is told."""

import json
import math
from collections.abc import Callable
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgewright.data import readers
from edgewright.data.readers import read_lines, read_rows
from edgewright.errors import BadDataError

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
def test_a_missing_column_is_reported_with_the_nearest_name(tmp_path: Path, write: Callable[[Path], Path]) -> None:
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


def test_all_empty_cells_are_reported_at_once_with_their_lines(tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    path.write_text('text,label\nrain,weather\n,weather\n"two\nlines",\nsnow\n')
    with pytest.raises(BadDataError) as caught:
        read_rows(path, WANTED)
    said = "line 3: text is empty; lines 4 to 5: label is empty; line 6: 1 cell, but the header names 2 columns"
    assert said in str(caught.value)


def test_more_empty_cells_than_are_shown_are_counted(tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    path.write_text("text,label\n" + "rain,\n" * 8)
    with pytest.raises(BadDataError, match="and 3 more; fill these cells"):
        read_rows(path, WANTED)


def test_a_column_that_only_some_json_rows_have_is_reported_with_the_line(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_text('{"text": "rain", "label": "weather"}\n\n{"text": "snow"}\n{"text": null, "label": "weather"}\n')
    with pytest.raises(BadDataError, match="line 3: label is empty; line 4: text is empty"):
        read_rows(path, WANTED)


@pytest.mark.parametrize(("line", "said"), [("{no", "is not JSON"), ("[1, 2]", "not a JSON object")])
def test_a_line_that_is_no_json_object_is_reported_with_its_number(tmp_path: Path, line: str, said: str) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_text(f'{{"text": "rain"}}\n{line}\n')
    with pytest.raises(BadDataError, match=f"line 2: {said}"):
        read_rows(path, {"text": "text"})


@pytest.mark.parametrize("name", ["rows.csv", "rows.jsonl"])
def test_a_file_that_is_not_utf8_is_reported_with_the_place(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes("text\nGrüße\n".encode("latin-1"))
    with pytest.raises(BadDataError, match=r"not UTF-8 text in line 2 \(byte 7\); save it as UTF-8"):
        read_rows(tmp_path / name, {"text": "text"})


def test_a_cell_larger_than_pythons_csv_reads_is_read_whole(tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    path.write_text("text\n" + "a" * 200_000 + "\n" + '"' + "b" * 200_000 + '"\n')
    assert read_rows(path, {"text": "text"}) == [{"text": "a" * 200_000}, {"text": "b" * 200_000}]


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ('{"text": "a", "label": "x", "text": "b"}', "has the key 'text' twice"),
        ('{"text": "a", "label": "x"} {}', "is not JSON"),
        ('{"text": "a", "label": "x"} trailing', "is not JSON"),
        ('{"text": "a", "label": NaN}', "has NaN, which is no number"),
        ('{"text": "half \\ud83d", "label": "x"}', "half of a surrogate pair"),
        ("[" * 100_000, "nests more than"),
        ('{"text": "a", "label": ' + "1" * 5000 + "}", "an integer of 5,000 digits"),
        ('{"text": ["a"], "label": "x"}', "text is a list, neither text nor a number"),
        ('{"text": {"a": 1}, "label": "x"}', "text is an object, neither text nor a number"),
        ('{"text": true, "label": "x"}', "text is true, neither text nor a number"),
        ('{"text": "a", "label": false}', "label is false, neither text nor a number"),
        ('{"text": "a", "label": null}', "label is empty"),
    ],
)
def test_a_json_line_that_is_not_an_object_of_plain_cells_is_reported_beside_the_others(
    tmp_path: Path, line: str, said: str
) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_text(f'{{"text": "rain", "label": "x"}}\n{line}\n{{"text": "", "label": "y"}}\n', encoding="utf-8")
    with pytest.raises(BadDataError) as caught:
        read_rows(path, WANTED)
    assert "line 2: " in str(caught.value)
    assert said in str(caught.value)
    assert "line 3: text is empty" in str(caught.value)


def test_numbers_are_text_in_digits_whatever_stores_them(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_text('{"text": 7, "label": 1}\n{"text": 2.5, "label": 2.0}\n{"text": "07", "label": "1.0"}\n')
    found = [(row["text"], row["label"]) for row in read_rows(path, WANTED)]
    assert found == [("7", "1"), ("2.5", "2"), ("07", "1.0")]


@pytest.mark.parametrize("cell", ["true", "[1]", '"many"', '"1_000"', '"nan"', '"inf"', '"٣"', "1" + "0" * 400])
def test_a_value_is_a_finite_number_and_nothing_else(tmp_path: Path, cell: str) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_text(f'{{"text": "a", "value": 1.5}}\n{{"text": "b", "value": {cell}}}\n', encoding="utf-8")
    with pytest.raises(BadDataError, match="line 2"):
        read_rows(path, {"text": "text", "value": "value"}, numbers=("value",))


def parquet_of(path: Path, **columns: Any) -> Path:
    pyarrow = pytest.importorskip("pyarrow")
    from pyarrow import parquet

    parquet.write_table(pyarrow.table(columns), path)
    return path


def test_parquet_texts_are_read_however_they_are_stored(tmp_path: Path) -> None:
    pyarrow = pytest.importorskip("pyarrow")
    plain = pyarrow.array(["rain", "snow"])
    for number, stored in enumerate(
        (
            plain,
            plain.cast(pyarrow.large_string()),
            plain.dictionary_encode(),
            plain.cast(pyarrow.binary()),
            plain.cast(pyarrow.large_binary()),
        )
    ):
        path = parquet_of(tmp_path / f"{number}.parquet", text=stored, label=pyarrow.array([1, 2], pyarrow.int8()))
        assert read_rows(path, WANTED) == [{"text": "rain", "label": "1"}, {"text": "snow", "label": "2"}]


@pytest.mark.parametrize(
    ("cells", "said"),
    [
        ([1.0, math.nan], "row 2: label is NaN, neither text nor a finite number"),
        ([True, False], "row 1: label is true"),
        ([["a"], ["b"]], "row 1: label is a list"),
        ([{"a": 1}, {"a": 2}], "row 1: label is an object"),
        ([Decimal("1.5"), Decimal("2.5")], "row 1: label is a Decimal"),
        ([datetime(2026, 1, 1), datetime(2026, 1, 2)], "row 1: label is a datetime"),
        ([b"ok", b"\xff\xfe"], "row 2: label is bytes that are no UTF-8 text at byte 0"),
        (["x", None], "row 2: label is empty"),
    ],
)
def test_parquet_cells_that_are_neither_text_nor_a_number_are_reported_with_their_row(
    tmp_path: Path, cells: list[Any], said: str
) -> None:
    path = parquet_of(tmp_path / "rows.parquet", text=["rain", "snow"], label=cells)
    with pytest.raises(BadDataError) as caught:
        read_rows(path, WANTED)
    assert said in str(caught.value)


def test_two_parquet_columns_of_one_name_are_refused(tmp_path: Path) -> None:
    pyarrow = pytest.importorskip("pyarrow")
    from pyarrow import parquet

    table = pyarrow.Table.from_arrays([pyarrow.array(["a"]), pyarrow.array(["b"])], names=["text", "text"])
    parquet.write_table(table, tmp_path / "rows.parquet")
    with pytest.raises(BadDataError, match="has 2 columns 'text'; rename all but one"):
        read_rows(tmp_path / "rows.parquet", {"text": "text"})


def test_a_suffix_in_capitals_is_the_same_format(tmp_path: Path) -> None:
    (tmp_path / "ROWS.CSV").write_text("text\nrain\n")
    (tmp_path / "ROWS.JSONL").write_text('{"text": "rain"}\n')
    for name in ("ROWS.CSV", "ROWS.JSONL"):
        assert read_rows(tmp_path / name, {"text": "text"}) == [{"text": "rain"}]


def test_a_long_file_tells_how_far_it_is_read(tmp_path: Path) -> None:
    (tmp_path / "rows.csv").write_text("text\n" + "rain\n" * 10_000)
    (tmp_path / "rows.jsonl").write_text('{"text": "rain"}\n' * 10_000)
    parquet_of(tmp_path / "rows.parquet", text=["rain"] * 10_000)
    for name in ("rows.csv", "rows.jsonl", "rows.parquet"):
        heard: list[tuple[float, float]] = []
        read_rows(tmp_path / name, {"text": "text"}, on_progress=lambda done, total: heard.append((done, total)))  # noqa: B023
        assert len(heard) >= 2
        assert heard == sorted(heard)
        assert all(0 < done <= total <= 10_002 for done, total in heard)


def test_utf16_text_is_reported_and_not_read_as_signs_between_zeros(tmp_path: Path) -> None:
    (tmp_path / "rows.csv").write_bytes("text\nrain\n".encode("utf-16-le"))
    with pytest.raises(BadDataError, match="holds a NUL character in line 1, as UTF-16 has them"):
        read_rows(tmp_path / "rows.csv", {"text": "text"})


def test_a_parquet_file_of_other_bytes_is_bad_data(tmp_path: Path) -> None:
    pytest.importorskip("pyarrow")
    (tmp_path / "rows.parquet").write_bytes(b"PAR1 and nothing else")
    with pytest.raises(BadDataError, match="cannot be read as Parquet"):
        read_rows(tmp_path / "rows.parquet", WANTED)


@pytest.mark.parametrize("name", ["rows.csv", "rows.jsonl", "rows.parquet"])
def test_a_file_that_is_not_there_is_bad_data(tmp_path: Path, name: str) -> None:
    with pytest.raises(BadDataError, match="cannot be read"):
        read_rows(tmp_path / name, WANTED)


def test_an_unknown_format_is_reported_with_the_known_ones(tmp_path: Path) -> None:
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


ODD = (b'{"text": "a", "label": 1}', b'{"text": [', b'"a",x', b'"', b'\\"', b"\xef\xbb\xbf", b"\0", b"a,b", b"\r")
CELLS = st.none() | st.floats() | st.text() | st.lists(st.integers())
ROW = st.dictionaries(st.sampled_from(["text", "label"]), CELLS).map(lambda row: json.dumps(row).encode())
LINES = st.lists(st.binary(max_size=30) | st.sampled_from(ODD) | ROW, max_size=8)


@given(head=st.sampled_from([b"text,label\n", b"text;label\n", b"", b'{"text": "a", "label": "b"}\n']), lines=LINES)
@pytest.mark.parametrize("suffix", [".csv", ".jsonl", ".parquet"])
def test_whatever_a_file_holds_it_is_rows_of_text_or_a_fault_with_its_place(
    tmp_path_factory: pytest.TempPathFactory, suffix: str, head: bytes, lines: list[bytes]
) -> None:
    path = tmp_path_factory.mktemp("any") / f"rows{suffix}"
    path.write_bytes(head + b"\n".join(lines))
    rows, said = [], str(path)
    try:
        rows = read_rows(path, WANTED)
    except BadDataError as error:
        said = str(error)
    assert str(path) in said
    for row in rows:
        assert row["text"].strip() == row["text"] != ""
        row["label"].encode()
