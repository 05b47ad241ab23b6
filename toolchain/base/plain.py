"""Text from data as text: nothing of it steers a terminal, or is Markdown, HTML or a spreadsheet's formula.

In:  text from anywhere.
Out: text that is fit to be shown. HTML pages escape by their template.
"""

import re

MARKUP = "\\`*_[]<>#|~"
# What XML 1.0, a terminal and a reader of lines take for more than a sign: C0, DEL and C1, line and paragraph ends,
# marks and overrides of direction, halves of surrogate pairs, tags.
STEERING = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff\ufeff]")
# Whole sequences of a terminal: colours and moves (CSI), titles and clipboards (OSC).
_SEQUENCES = re.compile("\x1b(?:\\[[0-?]*[ -/]*[@-~]|\\][^\x07\x1b]*(?:\x07|\x1b\\\\)?)")
FORMULA = tuple("=+-@\t\r")  # with which a spreadsheet's formula begins


def printable(text: str) -> str:
    """Without control characters, for which XML has no place either."""
    return text if text.isprintable() else "".join(sign if sign.isprintable() else " " for sign in text)


def one_line(text: str) -> str:
    """Fit for a terminal: one line, without control characters."""
    return " ".join(printable(text).split())


def unsteering(text: str, instead: str = " ") -> str:
    """Fit for a terminal, its lines kept: without what moves the cursor, sets a clipboard or turns text round."""
    return STEERING.sub(instead, _SEQUENCES.sub("", text))


def escaped(text: str) -> str:
    """Fit for a line of Markdown."""
    return "".join(f"\\{sign}" if sign in MARKUP else sign for sign in one_line(text))


def spreadsheet_cell(value: object) -> object:
    """Fit for a cell of a table that a spreadsheet opens: text that would be a formula begins with an apostrophe."""
    return f"'{value}" if isinstance(value, str) and value.startswith(FORMULA) else value
