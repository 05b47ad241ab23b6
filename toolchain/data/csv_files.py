r"""Rows of a CSV file, read strictly: what is no CSV is reported with its line, and nothing is guessed.

In:  a file's text and the character between its cells.
Out: its header and its `CsvRow`s; every faulty row goes to a `Faults` and reading goes on behind it.
As RFC 4180 has it: a quoted cell may hold separators and line ends, and a quote in it is doubled. Python's `csv` takes
more than that, and with it texts that are cut at a comma or hold half of the file, so it is not used here. A quote
escaped by a backslash is refused by name.
"""

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from edgewright.data.faults import Faults
from edgewright.errors import BadDataError, nearest

LONGEST_CELL = 10_000_000  # characters; a longer text is no example but a file
SEPARATORS: Mapping[str, str] = {",": ",", ";": ";", "\t": "\\t", "|": "|"}  # and how TOML writes each
ROWS_REMEDY = "quote a text that holds the separator or a line end, double a quote inside it, or remove the row"
BACKSLASH_REMEDY = (
    'a quote inside a text is doubled ("") in CSV, not escaped by a backslash: write the file so, or as JSON Lines'
)


@dataclass(frozen=True, kw_only=True)
class CsvRow:
    """One row: where it stands, its cells by their column, and the lines of the file that it takes."""

    place: str
    cells: Mapping[str, str]
    lines: Sequence[str]


@dataclass(frozen=True, kw_only=True)
class _Record:
    """The cells of one row, or why it is none; `after` is the line that reading goes on with."""

    cells: Sequence[str]
    after: int
    fault: str = ""
    remedy: str = ROWS_REMEDY


def csv_rows(path: Path, text: str, separator: str, wanted: Sequence[str], faults: Faults) -> Iterator[CsvRow]:
    """Each row that is sound. Raises `BadDataError` for a header that names a column twice or lacks a `wanted` one."""
    lines = text.split("\n")  # not `splitlines`: to it a form feed or U+2028 inside a text would end the row
    start = next((index for index, line in enumerate(lines) if line), None)
    if start is None:
        raise BadDataError(f"{path} is empty; its first line must name the columns")
    header = _record(lines, start, separator)
    if header.fault:
        raise BadDataError(f"{path}, line {start + 1}: the header {header.fault}; {header.remedy}")
    _check_header(path, header.cells, separator, lines[start], wanted)
    at = header.after
    while at < len(lines):
        if not lines[at]:
            at += 1
            continue
        record = _record(lines, at, separator)
        taken = lines[at : record.after]
        place = f"line {at + 1}" if len(taken) == 1 else f"lines {at + 1} to {record.after}"
        at = record.after
        if record.fault:
            faults.add(place, record.fault, record.remedy)
        elif len(record.cells) != len(header.cells):
            faults.add(place, _miscounted(record.cells, header.cells), ROWS_REMEDY)
        else:
            yield CsvRow(place=place, cells=dict(zip(header.cells, record.cells, strict=True)), lines=taken)


def cells_of_line(line: str, columns: Sequence[str], separator: str) -> Mapping[str, str] | None:
    """What a line would be as a row of its own, quotes left out of account; None where it has not a cell a column."""
    cells = [cell.strip() for cell in line.replace('"', "").split(separator)]
    return dict(zip(columns, cells, strict=True)) if len(cells) == len(columns) and all(cells) else None


def _check_header(path: Path, header: Sequence[str], separator: str, line: str, wanted: Sequence[str]) -> None:
    counts = Counter(name.strip() for name in header if name.strip())
    if twice := [name for name, count in counts.items() if count > 1]:
        places = " and ".join(str(place) for place, name in enumerate(header, 1) if name.strip() == twice[0])
        raise BadDataError(f"{path}: its header names {twice[0]!r} for the columns {places}; rename all but one")
    missing = [name for name in wanted if name not in header]
    if not missing:
        return
    for other in SEPARATORS:
        names = [name.strip().strip('"') for name in line.split(other)]
        if other != separator and len(names) > 1 and (len(header) == 1 or set(wanted) <= set(names)):
            raise BadDataError(
                f"{path} has no column {missing[0]!r}: its columns seem to be parted by {SEPARATORS[other]!r} "
                f'({", ".join(names[:5])}); set data.separator = "{SEPARATORS[other]}" in the recipe'
            )
    raise BadDataError(f"{path} has no column {missing[0]!r}; {nearest(missing[0], tuple(header))}")


def _miscounted(cells: Sequence[str], header: Sequence[str]) -> str:
    number = "1 cell" if len(cells) == 1 else f"{len(cells)} cells"
    return f"{number}, but the header names {len(header)} column{'s' if len(header) > 1 else ''}"


def _record(lines: Sequence[str], start: int, separator: str) -> _Record:
    """The row that begins at a line."""
    line = lines[start]
    if '"' not in line:
        cells = line.split(separator)
        return _Record(cells=cells, after=start + 1, fault=_cell_fault(cells))
    cells, at, position = [], start, 0
    while True:
        if not line.startswith('"', position):
            end = line.find(separator, position)
            cell = line[position:] if end < 0 else line[position:end]
            cells.append(cell)
            if '"' in cell:
                return _refused(start, at + 1, f"has a quote inside a cell that is not quoted ({cell[:40]!r})", lines)
            if end < 0:
                return _Record(cells=cells, after=at + 1, fault=_cell_fault(cells))
            position = end + 1
            continue
        parts: list[str] = []
        position += 1
        while (end := _closing(line, position)) < 0:
            parts.append(line[position:])
            at, position = at + 1, 0
            if at == len(lines):
                return _refused(start, start + 1, "opens a quote that is never closed", lines)
            line = lines[at]
        parts.append(line[position:end])
        cells.append("\n".join(parts).replace('""', '"'))
        position = end + 1
        if position == len(line):
            return _Record(cells=cells, after=at + 1, fault=_cell_fault(cells))
        if line[position] != separator:
            behind = line[position : position + 20]
            return _refused(start, at + 1, f"goes on with {behind!r} behind a closing quote", lines)
        position += 1


def _refused(start: int, after: int, fault: str, lines: Sequence[str]) -> _Record:
    escaped = any('\\"' in line for line in lines[start:after])
    return _Record(
        cells=(),
        after=after,
        fault=f'{fault}, as a quote is escaped by a backslash (\\")' if escaped else fault,
        remedy=BACKSLASH_REMEDY if escaped else ROWS_REMEDY,
    )


_QUOTES = re.compile('"+')


def _closing(line: str, position: int) -> int:
    """Where the quote that ends a cell stands, or -1: behind pairs of quotes the last of an odd number."""
    for quotes in _QUOTES.finditer(line, position):
        if len(quotes[0]) % 2:
            return quotes.end() - 1
    return -1


def _cell_fault(cells: Sequence[str]) -> str:
    for cell in cells:
        if len(cell) > LONGEST_CELL:
            return f"has a cell of {len(cell):,} characters, more than the {LONGEST_CELL:,} that a text may have"
    return ""
