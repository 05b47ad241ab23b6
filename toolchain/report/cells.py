"""The cells that tables for a terminal are made of.

In:  values of the documents that verbs give with --json.
Out: short texts, and the tables they stand in. Text from data is never read as markup.
"""

from collections.abc import Mapping
from typing import Any

from rich import box
from rich.table import Table
from rich.text import Text

NOTHING = "–"


def facts(*rows: tuple[str, str]) -> Table:
    """Names and values under one another."""
    table = Table(box=None, show_header=False, pad_edge=False)
    for name, value in rows:
        table.add_row(Text(name, style="dim"), Text(value))
    return table


def table(*heads: str, numbers_from: int | None = None) -> Table:
    """An empty table; columns of numbers stand at the right."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for index, head in enumerate(heads):
        right = numbers_from is not None and index >= numbers_from
        table.add_column(Text(head), justify="right" if right else "left", overflow="fold", no_wrap=index == 0)
    return table


def latencies(latency_ms: Mapping[str, Any]) -> str:
    """The three percentiles that are told of every measurement."""
    return " / ".join(number(latency_ms[name]) for name in ("p50", "p90", "p99")) + " ms"


def megabytes(size: float | None) -> str:
    """A size in MB."""
    return NOTHING if size is None else f"{size / 1e6:.2f} MB"


def plain(value: Any) -> str:
    """A value as a person writes it."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list | tuple):
        return ", ".join(map(plain, value))
    return f"{value:g}" if isinstance(value, float) else NOTHING if value is None else str(value)


def number(value: float | None, unit: str = "") -> str:
    """Four figures are more than any measurement here is good for."""
    return NOTHING if value is None else f"{value:.4g}{unit}"
