"""What a page is made of, and how its cells say sizes, times and facts.

In:  values.
Out: `PageSection`s, which `page` writes as HTML or as Markdown.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

UNKNOWN = "–"
Cells = tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class TextTable:
    """Rows of text under heads."""

    heads: Cells
    rows: tuple[Cells, ...]


@dataclass(frozen=True, kw_only=True)
class Shaded:
    """A text to one model: each word with a colour of CSS, stronger the more it says for or against the answer."""

    model: str
    expected: str
    words: tuple[tuple[str, str], ...]


@dataclass(frozen=True, kw_only=True)
class PageSection:
    """A heading, sentences, tables, texts with shaded words, and pictures under it."""

    title: str
    sentences: tuple[str, ...] = ()
    tables: tuple[TextTable, ...] = ()
    texts: tuple[Shaded, ...] = ()
    pictures: tuple[Figure, ...] = ()


def megabytes(size: float | None) -> str:
    """A size in MB."""
    return UNKNOWN if size is None else f"{size / 1e6:.2f} MB"


def milliseconds(value: float | None) -> str:
    """A time in ms."""
    return UNKNOWN if value is None else f"{value:.3g} ms"


def fact(value: object) -> str:
    """A fact of a machine, which may be several."""
    if value is None:
        return UNKNOWN
    if isinstance(value, Mapping):
        return ", ".join(f"{name} {each}" for name, each in value.items())
    return ", ".join(map(str, value)) if isinstance(value, list | tuple) else str(value)
