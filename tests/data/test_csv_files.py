"""CSV, strictly: what every writer writes is read back, and what is no CSV is told with its line."""

import csv
import io
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgewright.data.readers import read_rows
from edgewright.errors import BadDataError

WANTED = {"text": "text", "label": "label"}
CELL = st.text(st.characters(exclude_categories=("Cs",), exclude_characters="\0\r")).filter(lambda cell: cell.strip())


def read(path: Path, text: str, **options: Any) -> list[dict[str, Any]]:
    path = path / "rows.csv"
    path.write_text(text, encoding="utf-8", newline="")
    return read_rows(path, WANTED, **options)


def fault(path: Path, text: str, **options: Any) -> str:
    with pytest.raises(BadDataError) as caught:
        read(path, text, **options)
    return str(caught.value)


def tried(path: Path, separator: str = ",") -> tuple[list[dict[str, Any]], str]:
    """The rows, and the fault where there is one."""
    try:
        return read_rows(path, WANTED, separator=separator), ""
    except BadDataError as error:
        return [], str(error)


@given(rows=st.lists(st.tuples(CELL, CELL), max_size=6), separator=st.sampled_from(",;\t|"), unix=st.booleans())
def test_whatever_pythons_csv_writes_is_read_back(
    tmp_path_factory: pytest.TempPathFactory, rows: list[tuple[str, str]], separator: str, unix: bool
) -> None:
    written = io.StringIO(newline="")
    writer = csv.writer(written, delimiter=separator, lineterminator="\n" if unix else "\r\n")
    writer.writerows([("text", "label"), *rows])
    path = tmp_path_factory.mktemp("csv") / "rows.csv"
    path.write_text(written.getvalue(), encoding="utf-8", newline="")
    expected = [{"text": text.strip(), "label": label.strip()} for text, label in rows]
    found, said = tried(path, separator)
    if "would each be a row by themselves" in said:  # texts over lines that are rows themselves are asked about
        assert any("\n" in cell for row in rows for cell in row)
    else:
        assert (found, said) == (expected, "")


def test_an_unquoted_comma_does_not_shorten_a_text(tmp_path: Path) -> None:
    said = fault(tmp_path, "text,label\nrain, and snow,weather\nsun,weather\nwind\n")
    assert "line 2: 3 cells, but the header names 2 columns; line 4: 1 cell, but the header names 2" in said
    assert "quote a text that holds the separator" in said


def test_two_lone_quotes_do_not_swallow_the_rows_between_them(tmp_path: Path) -> None:
    rows = [f"text {number},{'even' if number % 2 == 0 else 'odd'}" for number in range(60)]
    rows[10] = f'"{rows[10]}'
    rows[30] = rows[30].replace(",", '",')
    said = fault(tmp_path, "\n".join(["text,label", *rows]))
    assert "lines 12 to 32: a quote opens in the first of 21 lines that would each be a row by themselves" in said
    assert "double a quote that belongs to a text" in said


def test_lone_quotes_around_values_are_found_by_the_numbers(tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    path.write_text('text,stars\none,1\n"two,2\nthree",3\nfour,4\n')
    with pytest.raises(BadDataError, match="lines 3 to 4: a quote opens"):
        read_rows(path, {"text": "text", "stars": "stars"}, numbers=("stars",))


def test_a_text_of_several_lines_is_no_fault(tmp_path: Path) -> None:
    text = 'text,label\n"first line,\nsecond, with a comma\n\nand a last one",weather\n'
    text += '"rain, and\nsnow",weather\nsun,sky\n'
    assert [row["text"] for row in read(tmp_path, text)] == [
        "first line,\nsecond, with a comma\n\nand a last one",
        "rain, and\nsnow",
        "sun",
    ]


def test_a_quote_that_is_never_closed_is_reported_with_its_line_and_so_are_the_faults_behind_it(tmp_path: Path) -> None:
    said = fault(tmp_path, 'text,label\n"rain,weather\nsun,sky\n,sky\n')
    assert "line 2: opens a quote that is never closed; line 4: text is empty" in said


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ('a 5" pipe,x', "has a quote inside a cell that is not quoted"),
        ('he said "no",x', "has a quote inside a cell that is not quoted"),
        (' "a",x', "has a quote inside a cell that is not quoted"),
        ('"he said "no"",x', "goes on with 'no\"\",x' behind a closing quote"),
        ('"a" ,x', "goes on with ' ,x' behind a closing quote"),
    ],
)
def test_a_stray_quote_is_reported(tmp_path: Path, line: str, said: str) -> None:
    assert f"line 3: {said}" in fault(tmp_path, f"text,label\na,x\n{line}\nb,x\n")


@pytest.mark.parametrize("line", [r'"say \"hi\" now",x', r'"a \", b",x', r'"say \"hi\"",x'])
def test_quotes_escaped_by_a_backslash_are_refused_by_name(tmp_path: Path, line: str) -> None:
    said = fault(tmp_path, f"text,label\na,x\n{line}\nb,y\n")
    assert 'as a quote is escaped by a backslash (\\")' in said
    assert 'doubled ("") in CSV' in said


def test_a_backslash_before_a_closing_quote_is_a_backslash(tmp_path: Path) -> None:
    assert read(tmp_path, 'text,label\n"C:\\dir\\",x\n') == [{"text": "C:\\dir\\", "label": "x"}]


@pytest.mark.parametrize("header", ["text,label,text", "text,label, text"])
def test_two_columns_of_one_name_are_refused(tmp_path: Path, header: str) -> None:
    assert "names 'text' for the columns 1 and 3; rename all but one" in fault(tmp_path, f"{header}\na,x,b\n")


def test_columns_without_a_name_are_no_fault(tmp_path: Path) -> None:
    assert read(tmp_path, ",text,label,,\n0,rain,weather,,\n") == [{"text": "rain", "label": "weather"}]


@pytest.mark.parametrize(("separator", "written"), [(";", ";"), ("\t", "\\t"), ("|", "|")])
def test_another_separator_is_offered_where_it_is_plain_to_see_and_taken_where_it_is_set(
    tmp_path: Path, separator: str, written: str
) -> None:
    text = f"text{separator}label\nrain, snow and hail{separator}weather\n"
    assert f'set data.separator = "{written}" in the recipe' in fault(tmp_path, text)
    assert read(tmp_path, text, separator=separator) == [{"text": "rain, snow and hail", "label": "weather"}]


def test_a_wrong_separator_offers_the_comma_too(tmp_path: Path) -> None:
    assert 'set data.separator = ","' in fault(tmp_path, "text,label\nrain,weather\n", separator=";")


def test_an_empty_file_is_reported(tmp_path: Path) -> None:
    assert "is empty; its first line must name the columns" in fault(tmp_path, "\n\n")


def test_a_cell_that_is_a_file_of_its_own_is_refused(tmp_path: Path) -> None:
    said = fault(tmp_path, f"text,label\n{'a' * 10_000_001},x\nb,\n")
    assert "line 2: has a cell of 10,000,001 characters" in said
    assert "line 3: label is empty" in said


def test_more_faults_than_are_shown_are_counted(tmp_path: Path) -> None:
    assert "line 6: 1 cell, but the header names 2 columns and 1,195 more;" in fault(
        tmp_path, "text,label\n" + "rain\n" * 1200
    )


@given(st.text(st.sampled_from('ab,;"\n\\ '), max_size=60))
def test_any_bytes_end_in_rows_or_in_a_fault_with_a_line(tmp_path_factory: pytest.TempPathFactory, text: str) -> None:
    path = tmp_path_factory.mktemp("csv") / "rows.csv"
    path.write_text(f"text,label\n{text}", encoding="utf-8")
    rows, said = tried(path)
    if said:
        assert "line" in said
    else:
        strict = list(csv.DictReader(io.StringIO(f"text,label\n{text}", newline=""), strict=True))
        assert rows == [{name: (cell or "").strip() for name, cell in row.items()} for row in strict]
