"""Words with a tag each, from JSON Lines, Parquet, or columns as the CoNLL shared tasks write them.

In:  a path; in JSON and Parquet the names of the columns that hold the two lists.
Out: one `Tagged` a sentence. All faults are reported at once, with their lines.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from edgewright.base.progress import OnProgress
from edgewright.data import readers
from edgewright.data.cell_values import CellFault, kind_of, text_of_cell
from edgewright.data.faults import Faults

COLUMN_SUFFIXES = (".conll", ".txt")
_COMMENT = re.compile(r"#\s*[\w.:-]+\s*=")  # CoNLL-U's `# text = …`; a word "#" has a tag behind it instead
_DOCUMENT = "-DOCSTART-"
REMEDY = "give each word one tag, or remove these rows"


@dataclass(frozen=True, kw_only=True)
class Tagged:
    """A sentence's words, none of them with white space in it, and a tag for each."""

    words: tuple[str, ...]
    tags: tuple[str, ...]


def read_tagged(
    path: Path, *, words: str, tags: str, labels: Sequence[str] = (), on_progress: OnProgress | None = None
) -> list[Tagged]:
    """All sentences of a file; each tag must be one of `labels` where there are any.

    In files of columns, separated by tabs or spaces, the first is the word and the last its tag; an empty line ends a
    sentence. `on_progress` hears (rows read, rows or lines there are). Raises `BadDataError` with every fault.
    """
    sentences_read: list[Tagged] = []
    faults = Faults(path)
    if path.suffix.lower() in COLUMN_SUFFIXES:
        sentences = _of_columns(readers.text_of(path), faults)
    else:
        sentences = _of_rows(path, words, tags, faults, on_progress)
    for place, sentence in sentences:
        if labels and (unknown := sorted(set(sentence.tags) - set(labels))):
            faults.add(place, f"the tag {unknown[0][:40]!r}", readers.outside_remedy(labels))
        sentences_read.append(sentence)
    faults.raise_any()
    return sentences_read


def _of_rows(
    path: Path, words: str, tags: str, faults: Faults, on_progress: OnProgress | None
) -> Iterator[tuple[str, Tagged]]:
    for raw in readers.raw_rows(path, (words, tags), faults, on_progress=on_progress):
        try:
            own = [_items(raw.cells.get(name), name) for name in (words, tags)]
            if len(own[0]) != len(own[1]):
                raise CellFault(f"{len(own[0])} {words}, but {len(own[1])} {tags}")
        except CellFault as fault:
            faults.add(raw.place, str(fault), REMEDY)
        else:
            yield raw.place, Tagged(words=own[0], tags=own[1])


def _items(cell: object, name: str) -> tuple[str, ...]:
    """The words or the tags of one row. Raises `CellFault`, which says what they are instead."""
    if not isinstance(cell, list) or not cell:
        raise CellFault(f"{name} is not a list of text")
    items = []
    for item in cell:
        if isinstance(item, list | dict) or item is None:
            raise CellFault(f"{name} is not a list of text: {'null' if item is None else kind_of(item)} is in it")
        try:
            text = text_of_cell(item)
        except CellFault as fault:
            raise CellFault(f"{name} has {fault}") from fault
        if text.split() != [item if isinstance(item, str) else text]:
            raise CellFault(f"{name} has {text[:40]!r}, which is empty or has white space in it")
        items.append(text)
    return tuple(items)


def _of_columns(text: str, faults: Faults) -> Iterator[tuple[str, Tagged]]:
    words: list[str] = []
    tags: list[str] = []
    start, columns = 1, 0
    # A last empty line ends the last sentence. Not `splitlines`: a word may hold U+2028 or the like.
    for number, line in enumerate([*text.split("\n"), ""], start=1):
        line = line.rstrip("\r")
        if not line.strip():
            if words:
                yield f"line {start}", Tagged(words=tuple(words), tags=tuple(tags))
            words, tags = [], []
            continue
        if (not words and _COMMENT.match(line)) or line.startswith(_DOCUMENT):
            continue
        cells = [cell.strip() for cell in line.split("\t")] if "\t" in line else line.split()
        columns = columns or len(cells)
        if fault := _column_fault(cells, columns):
            faults.add(f"line {number}", fault, REMEDY)
            continue
        start = start if words else number
        words.append(cells[0])
        tags.append(cells[-1])


def _column_fault(cells: Sequence[str], columns: int) -> str | None:
    if len(cells) < 2:
        return f"{cells[0][:40]!r} has no tag"
    if len(cells) != columns:
        return f"{len(cells)} columns, but {columns} before"
    if any(cell.split() != [cell] for cell in (cells[0], cells[-1])):
        return "a word or tag that is empty or has white space in it"
    return None
