"""Rows of text from a CSV, JSON Lines or Parquet file.

In:  a path and the columns wanted.
Out: one mapping a row. Every faulty row is told at once, with its line; nothing is guessed or dropped in silence.
"""

import csv
import hashlib
import io
import json
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from toolchain.errors import BadDataError, EnvironmentFaultError, nearest

FAULTS_SHOWN = 5


def read_rows(path: Path, columns: Mapping[str, str]) -> list[dict[str, str]]:
    """All rows of a file; `columns` maps a field's name to the column it is read from.

    Raises `BadDataError` when the file, a column or a cell is missing.
    """
    rows: list[dict[str, str]] = []
    faults: list[str] = []
    for place, raw in _raw_rows(path):
        missing = [column for column in columns.values() if column not in raw]
        if missing and not rows and not faults:
            found = tuple(str(name) for name in raw)
            raise BadDataError(f"{path} has no column {missing[0]!r}; {nearest(missing[0], found)}")
        empty = [column for column in columns.values() if raw.get(column) is None or not str(raw[column]).strip()]
        if empty:
            faults.append(f"{place}: {', '.join(empty)} is empty")
        else:
            rows.append({field: str(raw[column]).strip() for field, column in columns.items()})
    if faults:
        more = f" and {len(faults) - FAULTS_SHOWN} more" if len(faults) > FAULTS_SHOWN else ""
        raise BadDataError(f"{path}: {'; '.join(faults[:FAULTS_SHOWN])}{more}; fill these cells or remove the rows")
    return rows


def read_lines(path: Path) -> list[str]:
    """The non-empty lines of a text file."""
    return [line.strip() for line in _text(path).splitlines() if line.strip()]


def content_digest(path: Path) -> str:
    """sha256 of a file's bytes, in hex. Raises `BadDataError` when there is no such file."""
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise BadDataError(f"{path} cannot be read: {error.strerror}; check the path in the recipe") from error


def _raw_rows(path: Path) -> Iterable[tuple[str, Mapping[str, Any]]]:
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
    reader = csv.DictReader(io.StringIO(_text(path), newline=""))
    try:
        for row in reader:
            yield f"line {reader.line_num}", row
    except csv.Error as error:
        raise BadDataError(
            f"{path}, line {reader.line_num + 1}: not CSV ({error}); correct or remove the row"
        ) from error


def _json_rows(path: Path) -> Iterator[tuple[str, Mapping[str, Any]]]:
    for number, line in enumerate(_text(path).split("\n"), start=1):
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


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise BadDataError(f"{path} cannot be read: {error.strerror}; check the path in the recipe") from error
    except UnicodeDecodeError as error:
        raise BadDataError(f"{path} is not UTF-8 text at byte {error.start}; save it as UTF-8") from error
