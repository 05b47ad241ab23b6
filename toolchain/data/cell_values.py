"""What a cell of a table may be: text, a whole number or a finite number; nothing else is turned into text.

In:  a value as CSV, JSON or Parquet holds it.
Out: its text or its number, or a `CellFault` that says what it is instead.
Python's `str()` would make a class "nan" of a missing label and a sentence of a list: what is meant by those is the
user's to say.
"""

import math

from edgewright.base.numbers import float_or_none

SHOWN = 40  # characters of a faulty cell
EXACT = 2**53  # beyond it neighbouring whole numbers are one float


class CellFault(Exception):
    """A cell that is not what its column is read for; the message completes "label is …"."""


def text_of_cell(cell: object) -> str:
    """The text of a cell, without outer white space; of None, an empty cell, "".

    Bytes are read as UTF-8. A whole number is written in decimal digits, also where it is stored as a float (2.0 is
    "2"); another number in the fewest digits that read back as the same float. Raises `CellFault` for whatever else.
    """
    if cell is None:
        return ""
    if isinstance(cell, str):
        return require_unicode(cell).strip()
    if isinstance(cell, bytes):
        try:
            return cell.decode("utf-8").strip()
        except UnicodeDecodeError as error:
            raise CellFault(f"bytes that are no UTF-8 text at byte {error.start}") from error
    if isinstance(cell, int) and not isinstance(cell, bool):
        return str(cell)
    if isinstance(cell, float):
        if not math.isfinite(cell):
            raise CellFault(f"{_number_named(cell)}, neither text nor a finite number")
        return str(int(cell)) if cell.is_integer() and abs(cell) < EXACT else repr(cell)
    raise CellFault(f"{kind_of(cell)}, neither text nor a number")


def number_of_cell(cell: object) -> float:
    """The finite number that a cell holds, or that its text is in decimal digits.

    Raises `CellFault` for whatever else.
    """
    try:
        if isinstance(cell, int | float) and not isinstance(cell, bool):
            value: float | None = float(cell)
        else:
            value = float_or_none(text_of_cell(cell))
    except OverflowError:
        value = None
    if value is not None and math.isfinite(value):
        return value
    shown = repr(cell.strip()[:SHOWN]) if isinstance(cell, str) else _number_named(cell)
    raise CellFault(f"{shown}, not a finite number")


def require_unicode(text: str) -> str:
    """The text itself. Raises `CellFault` where it holds half of a surrogate pair, which no file in UTF-8 can."""
    try:
        text.encode("utf-8")
    except UnicodeEncodeError as error:
        half = ord(text[error.start])
        raise CellFault(f"no Unicode text: character {error.start + 1} is \\u{half:04x}, half of a pair") from error
    return text


def kind_of(cell: object) -> str:
    """What a cell is, in words."""
    if isinstance(cell, bool):
        return "true" if cell else "false"
    named = {list: "a list", dict: "an object", tuple: "a list", bytes: "bytes"}
    kind = next((words for known, words in named.items() if isinstance(cell, known)), "")
    return kind or f"a {type(cell).__name__}"


def _number_named(cell: object) -> str:
    if isinstance(cell, float) and not math.isfinite(cell):
        return "NaN" if math.isnan(cell) else "infinite"
    if isinstance(cell, int | float) and not isinstance(cell, bool):
        return f"a number of {len(str(abs(int(cell))))} digits"
    return kind_of(cell)
