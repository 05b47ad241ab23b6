"""Rows of text from a CSV, JSON Lines or Parquet file.

In:  a path and the columns wanted, and which of them are numbers or labels of a known set.
Out: one mapping a row. Every faulty row is told at once, with its line; nothing is guessed or dropped in silence.
Words with tags are read by `tagged`, images by `image_files`.
"""

import csv
import hashlib
import io
import json
import math
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from toolchain.errors import BadDataError, EnvironmentFaultError, nearest

FAULTS_SHOWN = 5
TABLES = (".csv", ".jsonl", ".ndjson", ".parquet")


def read_rows(
    path: Path, columns: Mapping[str, str], *, numbers: Collection[str] = (), labels: Sequence[str] = ()
) -> list[dict[str, Any]]:
    """All rows of a file as text; `columns` maps a field's name to the column it is read from.

    Fields among `numbers` become floats; the field "label" must be one of `labels` where there are any.
    Raises `BadDataError` when the file, a column or a cell is missing, or a cell is not what it should be.
    """
    rows: list[dict[str, Any]] = []
    faults: list[str] = []
    outside = False
    for place, raw in raw_rows(path):
        require_columns(path, raw, columns.values(), first=not rows and not faults)
        cells = {field: raw.get(column) for field, column in columns.items()}
        texts = {field: "" if cell is None else str(cell).strip() for field, cell in cells.items()}
        empty = [columns[field] for field, text in texts.items() if not text]
        if empty:
            faults.append(f"{place}: {', '.join(empty)} is empty")
            continue
        row: dict[str, Any] = {**texts, **{field: _number(texts[field]) for field in numbers}}
        wrong = [field for field in numbers if row[field] is None]
        faults.extend(f"{place}: {columns[field]} is {texts[field][:40]!r}, not a finite number" for field in wrong)
        if labels and "label" in texts and texts["label"] not in labels:
            outside = True
            faults.append(f"{place}: {columns['label']} is {texts['label'][:40]!r}")
        rows.append(row)
    remedy = "fill these cells or remove the rows"
    if numbers:
        remedy = "correct these cells or remove the rows"
    if outside:
        remedy = outside_remedy(labels)
    raise_faults(path, faults, remedy)
    return rows


def require_columns(path: Path, row: Mapping[str, Any], columns: Iterable[str], *, first: bool) -> None:
    """Raises `BadDataError` when the first row lacks a column; in a later row of JSON it counts as an empty cell."""
    missing = [column for column in columns if column not in row]
    if missing and first:
        found = tuple(str(name) for name in row)
        raise BadDataError(f"{path} has no column {missing[0]!r}; {nearest(missing[0], found)}")


def raise_faults(path: Path, faults: Sequence[str], remedy: str) -> None:
    """Raises one `BadDataError` for all faults of a file or folder; those that are not shown are counted."""
    if faults:
        more = f" and {len(faults) - FAULTS_SHOWN} more" if len(faults) > FAULTS_SHOWN else ""
        raise BadDataError(f"{path}: {'; '.join(faults[:FAULTS_SHOWN])}{more}; {remedy}")


def outside_remedy(labels: Sequence[str]) -> str:
    """What to do about labels outside the configured range."""
    shown = ", ".join(labels[:12]) + (f" and {len(labels) - 12} more" if len(labels) > 12 else "")
    return f"the labels configured in task.labels are {shown}; correct the rows or add to the setting"


def read_lines(path: Path) -> list[str]:
    """The non-empty lines of a text file."""
    return [line.strip() for line in text_of(path).splitlines() if line.strip()]


def content_digest(path: Path) -> str:
    """sha256 of a file's bytes, in hex. Raises `BadDataError` when there is no such file."""
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise BadDataError(f"{path} cannot be read: {error.strerror}; check the path in the recipe") from error


def _number(text: str) -> float | None:
    """A finite number, or None; Python's own underscores are no part of anyone's data."""
    try:
        value = float(text) if "_" not in text else math.nan
    except ValueError:
        return None
    return value if math.isfinite(value) else None


def raw_rows(path: Path) -> Iterable[tuple[str, Mapping[str, Any]]]:
    """(place, row) of each row as the file has it. Raises `BadDataError` for another format."""
    suffix = path.suffix.lower()
    if suffix == ".csv":
        return _csv_rows(path)
    if suffix in (".jsonl", ".ndjson"):
        return _json_rows(path)
    if suffix == ".parquet":
        return _parquet_rows(path)
    raise BadDataError(f"{path} is neither .csv, .jsonl nor .parquet; convert it to one of these")


def _csv_rows(path: Path) -> Iterator[tuple[str, Mapping[str, Any]]]:
    # Not `splitlines`: to it a form feed or U+2028 inside a text would end the row.
    reader = csv.DictReader(io.StringIO(text_of(path), newline=""))
    try:
        for row in reader:
            yield f"line {reader.line_num}", row
    except csv.Error as error:
        raise BadDataError(
            f"{path}, line {reader.line_num + 1}: not CSV ({error}); correct or remove the row"
        ) from error


def _json_rows(path: Path) -> Iterator[tuple[str, Mapping[str, Any]]]:
    for number, line in enumerate(text_of(path).split("\n"), start=1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except json.JSONDecodeError as error:
            raise BadDataError(
                f"{path}, line {number}: not JSON ({error.msg}); each line must be one object"
            ) from error
        if not isinstance(row, dict):
            raise BadDataError(f"{path}, line {number}: not a JSON object; each line must be one object")
        yield f"line {number}", row


def _parquet_rows(path: Path) -> Iterator[tuple[str, Mapping[str, Any]]]:
    try:
        from pyarrow import ArrowException, parquet
    except ImportError as error:
        raise EnvironmentFaultError(
            "pyarrow", f"read {path.name}", "install it with `pip install 'edgewright[parquet]'`"
        ) from error
    try:
        table = parquet.read_table(path).to_pylist()
    except (ArrowException, OSError) as error:
        raise BadDataError(f"{path} cannot be read as Parquet: {error}; check the file") from error
    for number, row in enumerate(table, start=1):
        yield f"row {number}", row


def text_of(path: Path) -> str:
    """The text of a file. Raises `BadDataError` when it is not there or not UTF-8."""
    try:
        return path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise BadDataError(f"{path} cannot be read: {error.strerror}; check the path in the recipe") from error
    except UnicodeDecodeError as error:
        raise BadDataError(f"{path} is not UTF-8 text at byte {error.start}; save it as UTF-8") from error
