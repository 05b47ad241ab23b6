"""Words with a tag each, from JSON Lines, Parquet, or columns as the CoNLL shared tasks write them.

In:  a path; in JSON and Parquet the names of the columns that hold the two lists.
Out: one `Tagged` a sentence. Every fault is told at once, with its line.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from toolchain.data import readers

COLUMN_SUFFIXES = (".conll", ".txt")
_COMMENT = re.compile(r"#\s*[\w.:-]+\s*=")  # CoNLL-U's `# text = …`; a word "#" has a tag behind it instead
_DOCUMENT = "-DOCSTART-"


@dataclass(frozen=True, kw_only=True)
class Tagged:
    """A sentence's words, none of them with white space in it, and a tag for each."""

    words: tuple[str, ...]
    tags: tuple[str, ...]


def read_tagged(path: Path, *, words: str, tags: str, labels: Sequence[str] = ()) -> list[Tagged]:
    """All sentences of a file; each tag must be one of `labels` where there are any.

    In files of columns, separated by tabs or spaces, the first is the word and the last its tag; an empty line ends a
    sentence. Raises `BadDataError` with every fault.
    """
    found: list[Tagged] = []
    faults: list[str] = []
    if path.suffix.lower() in COLUMN_SUFFIXES:
        sentences = _of_columns(readers.text_of(path), faults)
    else:
        sentences = _of_rows(path, words, tags, faults)
    outside = False
    for place, sentence in sentences:
        if labels and (unknown := sorted(set(sentence.tags) - set(labels))):
            outside = True
            faults.append(f"{place}: the tag {unknown[0][:40]!r}")
        found.append(sentence)
    remedy = readers.outside_remedy(labels) if outside else "give each word one tag, or remove these rows"
    readers.raise_faults(path, faults, remedy)
    return found


def _of_rows(path: Path, words: str, tags: str, faults: list[str]) -> Iterator[tuple[str, Tagged]]:
    first = True
    for place, row in readers.raw_rows(path):
        readers.require_columns(path, row, (words, tags), first=first)
        first = False
        fault = _fault_of(row.get(words), row.get(tags), words, tags)
        if fault:
            faults.append(f"{place}: {fault}")
        else:
            yield place, Tagged(words=tuple(row[words]), tags=tuple(row[tags]))


def _fault_of(words: Any, tags: Any, words_column: str, tags_column: str) -> str | None:
    """What is wrong with a row, if anything."""
    for name, cell in ((words_column, words), (tags_column, tags)):
        if not isinstance(cell, list) or not cell or not all(isinstance(item, str) for item in cell):
            return f"{name} is not a list of text"
        for item in cell:
            if item.split() != [item]:
                return f"{name} has {item[:40]!r}, which is empty or has white space in it"
    if len(words) != len(tags):
        return f"{len(words)} {words_column}, but {len(tags)} {tags_column}"
    return None


def _of_columns(text: str, faults: list[str]) -> Iterator[tuple[str, Tagged]]:
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
            faults.append(f"line {number}: {fault}")
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
