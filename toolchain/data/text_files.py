"""Documents of text files: one file, or all of a folder and the folders in it.

In:  a path, and what a document is: a file, a paragraph (what blank lines part), or a line.
Out: each document's text with the file that it stands in. What cannot be read is reported at once, and nothing is
dropped in silence. Tables with a column of texts are read by `readers`.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from edgewright.base.progress import OnProgress
from edgewright.data import readers
from edgewright.data.faults import FAULTS_SHOWN
from edgewright.errors import BadDataError
from edgewright.specs.recipe.data import TEXT_SUFFIXES

LARGEST_FILE = 512 << 20  # bytes
MOST_FILES = 1_000_000
PROGRESS_EVERY = 64  # files
DocumentUnit = Literal["file", "paragraph", "line"]

_BLANK = re.compile(r"\n[^\S\n]*\n\s*")


@dataclass(frozen=True, kw_only=True)
class TextPart:
    """A document as it stands, and the file it stands in, as it is called from the folder."""

    text: str
    file: str


def read_text_files(place: Path, unit: DocumentUnit | None, *, on_progress: OnProgress | None = None) -> list[TextPart]:
    """The documents of a file, or of a folder's text files in the order of their names.

    Without a unit a file of a folder is one document, and of a file alone each paragraph is one. `on_progress` hears
    how many files are read, and how many there are. Raises `BadDataError` for files that are empty, no UTF-8 or too
    large, all in one sentence, and for a folder without text files.
    """
    folder = place.is_dir()
    files = _files_of(place) if folder else [place]
    chosen = unit or ("file" if folder else "paragraph")
    parts: list[TextPart] = []
    faults: list[str] = []
    for number, file in enumerate(files):
        if on_progress and not number % PROGRESS_EVERY:
            on_progress(number, len(files))
        name = file.relative_to(place).as_posix() if folder else file.name
        try:
            parts.extend(TextPart(text=text, file=name) for text in _documents(_text(file), chosen))
        except BadDataError as error:
            faults.append(str(error))
    if faults:
        more = f" and {len(faults) - FAULTS_SHOWN:,} more" if len(faults) > FAULTS_SHOWN else ""
        raise BadDataError("; ".join(faults[:FAULTS_SHOWN]) + more)
    return parts


def files_digest(place: Path) -> list[str]:
    """Name and content of each text file, as digests."""
    files = _files_of(place) if place.is_dir() else [place]
    return [f"{file.relative_to(place).as_posix()} {readers.content_digest(file)}" for file in files]


def _files_of(folder: Path) -> list[Path]:
    """The text files of a folder and of the folders in it but hidden ones; a link to a folder is not followed."""
    found: list[Path] = []
    for root, folders, names in os.walk(folder, onerror=_unreadable):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        found.extend(
            Path(root, name)
            for name in sorted(names)
            if not name.startswith(".") and Path(name).suffix.lower() in TEXT_SUFFIXES
        )
        if len(found) > MOST_FILES:
            raise BadDataError(f"{folder} holds more than {MOST_FILES:,} text files; join them, or name a folder in it")
    if not found:
        raise BadDataError(f"{folder} holds no text file; give one of files ending in {' or '.join(TEXT_SUFFIXES)}")
    return found


def _unreadable(error: OSError) -> None:
    raise BadDataError(f"{error.filename} cannot be read: {error.strerror}; check the path in the recipe") from error


def _text(file: Path) -> str:
    """A file's text. Raises `BadDataError` where there is none."""
    try:
        size = file.stat().st_size
    except OSError as error:
        raise BadDataError(f"{file} cannot be read: {error.strerror}; check the path in the recipe") from error
    if size > LARGEST_FILE:
        raise BadDataError(f"{file} has {size >> 20} MiB, and at most {LARGEST_FILE >> 20} are read; cut it into files")
    text = readers.text_of(file)
    if not text.strip():
        raise BadDataError(f"{file} is empty; write text into it or remove it")
    return text


def _documents(text: str, unit: DocumentUnit) -> Iterator[str]:
    """The documents of a file's text, without white space around them."""
    if unit == "file":
        yield text.strip()
        return
    parts = text.split("\n") if unit == "line" else _BLANK.split(text)
    yield from (part.strip() for part in parts if part.strip())
