"""Where the keys of a TOML text stand, which its parser does not tell.

In:  a TOML text.
Out: the line of each key and section, and a place in words.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from edgewright.base.untrusted import Location

_PART = r"""(?:[A-Za-z0-9_-]+|"[^"]*"|'[^']*')"""
_DOTTED = rf"({_PART}(?:\s*\.\s*{_PART})*)"
_HEADER = re.compile(rf"\s*(\[\[?)\s*{_DOTTED}\s*\]")
_KEY = re.compile(rf"\s*{_DOTTED}\s*=")


def key_lines(text: str) -> dict[Location, int]:
    """The line on which each key and each section of a TOML text stands, by its full location."""
    lines: dict[Location, int] = {}
    section: Location = ()
    counts: dict[Location, int] = {}
    for number, line in _lines_outside_strings(text):
        if header := _HEADER.match(line):
            section = _parts(header[2])
            for length in range(1, len(section) + 1):
                lines.setdefault(section[:length], number)
            if header[1] == "[[":
                counts[section] = counts.get(section, -1) + 1
                section = (*section, counts[section])
            lines.setdefault(section, number)
        elif key := _KEY.match(line):
            location = (*section, *_parts(key[1]))
            for length in range(len(section) + 1, len(location) + 1):
                lines.setdefault(location[:length], number)
    return lines


def line_of(location: Location, lines: Mapping[Location, int]) -> int | None:
    """The line of the key, or else of the nearest section around it."""
    for length in range(len(location), 0, -1):
        if location[:length] in lines:
            return lines[location[:length]]
    return None


def place_of(location: Location, lines: Mapping[Location, int]) -> str:
    """A key's full name, and the line it stands on, or else its section."""
    name = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in location).removeprefix(".")
    line = line_of(location, lines)
    return ", ".join(part for part in (f"line {line}" if line else "", name) if part) or "the whole file"


def _lines_outside_strings(text: str) -> Iterator[tuple[int, str]]:
    """(number, line) of every line that does not begin inside a multi-line string."""
    inside = ""
    for number, line in enumerate(text.splitlines(), start=1):
        if not inside:
            yield number, line
        for quotes in ('"""', "'''"):
            if inside in ("", quotes) and line.count(quotes) % 2:
                inside = "" if inside else quotes


def _parts(dotted: str) -> Location:
    return tuple(part.strip("\"'") for part in re.findall(_PART, dotted))
