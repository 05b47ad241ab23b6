"""Rows of text from a CSV, JSON Lines or Parquet file.

In:  a path and the columns wanted, and which of them are numbers or labels of a known set.
Out: one mapping a row. All faulty rows are reported at once, with its line; nothing is guessed or dropped in silence.
What a cell may hold is said in `cells`, what CSV is in `csv_files`. Words with tags are read by `tagged`, images by
`image_files`.
"""

import hashlib
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from edgewright.base.progress import OnProgress
from edgewright.base.untrusted import ReadLimits, parse_json
from edgewright.data.cell_values import CellFault, number_of_cell, text_of_cell
from edgewright.data.csv_files import cells_of_line, csv_rows
from edgewright.data.faults import Faults
from edgewright.errors import BadDataError, EnvironmentFaultError, nearest

TABLES = (".csv", ".jsonl", ".ndjson", ".parquet")
PROGRESS_EVERY = 4096  # rows
EMPTY_REMEDY = "fill these cells or remove the rows"
CELL_REMEDY = "correct these cells or remove the rows"
LINES_REMEDY = "each line must be one JSON object that names each key once"

LINE = ReadLimits(bytes=64 << 20, keys=100_000)  # of JSON Lines

Row = dict[str, str | float]
"""A row's fields by their names: text, and the number of a field that is read as one."""


@dataclass(frozen=True, kw_only=True)
class Raw:
    """A row as its file has it: its place, its cells, and in CSV the lines it takes."""

    place: str
    cells: Mapping[str, object]
    lines: Sequence[str] = ()


def read_rows(
    path: Path,
    columns: Mapping[str, str],
    *,
    numbers: Collection[str] = (),
    labels: Sequence[str] = (),
    separator: str = ",",
    on_progress: OnProgress | None = None,
) -> list[Row]:
    """All rows of a file as text; `columns` maps a field's name to the column it is read from.

    Fields among `numbers` become floats; the field "label" must be one of `labels` where there are any. `separator`
    is that of CSV. `on_progress` hears (rows read, rows or lines there are).
    Raises `BadDataError` when the file, a column or a cell is missing, or a cell is not what it should be.
    """
    rows: list[Row] = []
    faults = Faults(path)
    spread: list[Raw] = []
    for raw in raw_rows(path, tuple(columns.values()), faults, separator=separator, on_progress=on_progress):
        if len(raw.lines) > 1:
            spread.append(raw)
        row = _row(raw, columns, numbers, faults)
        if row is not None:
            if labels and "label" in row and row["label"] not in labels:
                faults.add(raw.place, f"{columns['label']} is {str(row['label'])[:40]!r}", outside_remedy(labels))
            rows.append(row)
    # Of rows over several lines it is asked whether they are several rows, by the labels that the others have.
    given = {str(row["label"]) for row in rows if "label" in row}
    known = set(labels) or {label for label in given if "\n" not in label}
    for raw in spread:
        if _swallows(raw, columns, separator, numbers, known):
            faults.add(
                raw.place,
                f"a quote opens in the first of {len(raw.lines)} lines that would each be a row by themselves, and the "
                "next one is in the last",
                "double a quote that belongs to a text and quote the text, or remove it",
            )
    faults.raise_any()
    return rows


def _row(raw: Raw, columns: Mapping[str, str], numbers: Collection[str], faults: Faults) -> Row | None:
    """The fields of a row, or None where one of its cells is faulty."""
    row: Row = {}
    empty: list[str] = []
    before = len(faults)
    for field, column in columns.items():
        cell = raw.cells.get(column)
        try:
            row[field] = text_of_cell(cell)
            if not row[field]:
                empty.append(column)
            elif field in numbers:
                row[field] = number_of_cell(cell)
        except CellFault as fault:
            faults.add(raw.place, f"{column} is {fault}", CELL_REMEDY)
    if empty:
        faults.add(raw.place, f"{', '.join(empty)} is empty", EMPTY_REMEDY)
    return row if len(faults) == before else None


def _swallows(
    raw: Raw, columns: Mapping[str, str], separator: str, numbers: Collection[str], known: Collection[str]
) -> bool:
    """Whether a row over several lines of CSV is likely to be as many rows, between two lone quotes.

    So it is where each line has a cell a column, and what stands in those of labels or numbers is one; of texts alone
    it takes four such lines, as a comma a line is nothing unusual.
    """
    alone = [cells_of_line(line, tuple(raw.cells), separator) for line in raw.lines]
    likely = len(raw.cells) > 1
    for cells in alone:
        if cells is None:
            return False
        for field, column in columns.items():
            if field == "label":
                likely = likely and cells[column] in known
            elif field in numbers:
                likely = likely and _is_number(cells[column])
    return likely and ("label" in columns or bool(numbers) or len(alone) >= 4)


def _is_number(text: str) -> bool:
    try:
        number_of_cell(text)
    except CellFault:
        return False
    return True


def require_columns(path: Path, present: Sequence[str], columns: Sequence[str]) -> None:
    """Raises `BadDataError` when one of the columns is not among those that were found."""
    missing = [column for column in columns if column not in present]
    if missing:
        raise BadDataError(f"{path} has no column {missing[0]!r}; {nearest(missing[0], tuple(present))}")


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


def raw_rows(
    path: Path, wanted: Sequence[str], faults: Faults, *, separator: str = ",", on_progress: OnProgress | None = None
) -> Iterator[Raw]:
    """Each row as the file has it; a row that is none goes to `faults`.

    Raises `BadDataError` for another format, and for a file that lacks a `wanted` column or has two of one name.
    """
    suffix = path.suffix.lower()
    if suffix == ".csv":
        return _csv(path, wanted, faults, separator, on_progress)
    if suffix in (".jsonl", ".ndjson"):
        return _json_lines(path, wanted, faults, on_progress)
    if suffix == ".parquet":
        return _parquet(path, wanted, on_progress)
    raise BadDataError(f"{path} is neither .csv, .jsonl nor .parquet; convert it to one of these")


def _csv(
    path: Path, wanted: Sequence[str], faults: Faults, separator: str, on_progress: OnProgress | None
) -> Iterator[Raw]:
    text = text_of(path)
    total, done = text.count("\n") + 1, 0
    for number, row in enumerate(csv_rows(path, text, separator, wanted, faults)):
        done += len(row.lines)
        if on_progress and not number % PROGRESS_EVERY:
            on_progress(done, total)
        yield Raw(place=row.place, cells=row.cells, lines=row.lines)


def _json_lines(path: Path, wanted: Sequence[str], faults: Faults, on_progress: OnProgress | None) -> Iterator[Raw]:
    lines = text_of(path).split("\n")
    first = True
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        if on_progress and not number % PROGRESS_EVERY:
            on_progress(number, len(lines))
        try:
            row = parse_json(line, name=str(path), limits=LINE, error=_line_fault)
        except BadDataError as error:
            faults.add(f"line {number}", str(error), LINES_REMEDY)
            continue
        if not isinstance(row, dict):
            faults.add(f"line {number}", "not a JSON object", LINES_REMEDY)
            continue
        if first:  # in a later row a column that is not there counts as an empty cell
            require_columns(path, tuple(row), wanted)
            first = False
        yield Raw(place=f"line {number}", cells=row)


def _line_fault(place: str, what: str) -> BadDataError:
    """A fault of one line; where `place` is a column it is named."""
    column = place.partition(", ")[2]
    return BadDataError(f"{what} ({column})" if column else what)


def _parquet(path: Path, wanted: Sequence[str], on_progress: OnProgress | None) -> Iterator[Raw]:
    try:
        from pyarrow import ArrowException, parquet
    except ImportError as error:
        raise EnvironmentFaultError(
            "pyarrow", f"read {path.name}", "install it with `pip install 'edgewright[parquet]'`"
        ) from error
    try:
        with parquet.ParquetFile(path) as file:
            names = file.schema_arrow.names
            twice = [name for name in wanted if names.count(name) > 1]
            if twice:
                raise BadDataError(f"{path} has {names.count(twice[0])} columns {twice[0]!r}; rename all but one")
            require_columns(path, names, wanted)
            total, number = file.metadata.num_rows, 0
            for batch in file.iter_batches(batch_size=PROGRESS_EVERY, columns=list(dict.fromkeys(wanted))):
                for row in batch.to_pylist():
                    number += 1
                    yield Raw(place=f"row {number}", cells=row)
                if on_progress:
                    on_progress(number, total)
    except (ArrowException, OSError, OverflowError) as error:
        raise BadDataError(f"{path} cannot be read as Parquet: {error}; check the file") from error


def text_of(path: Path) -> str:
    """The text of a file, its line ends as "\\n". Raises `BadDataError` when it is not there or not UTF-8."""
    try:
        data = path.read_bytes()
    except OSError as error:
        raise BadDataError(f"{path} cannot be read: {error.strerror}; check the path in the recipe") from error
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise BadDataError(f"{path} is not UTF-8 text in line {line} (byte {error.start}); save it as UTF-8") from error
    if "\0" in text:
        line = text.count("\n", 0, text.index("\0")) + 1
        raise BadDataError(f"{path} holds a NUL character in line {line}, as UTF-16 has them; save it as UTF-8 text")
    return text.replace("\r\n", "\n").replace("\r", "\n")
