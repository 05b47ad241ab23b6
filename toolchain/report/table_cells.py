"""The cells that tables for a terminal are made of.

In:  values of the documents that verbs give with --json.
Out: short texts, and the tables they stand in. Text from data is never read as markup.
"""

from rich import box
from rich.console import Console, ConsoleOptions, RenderResult
from rich.measure import Measurement
from rich.padding import Padding
from rich.table import Column, Table
from rich.text import Text
from typing_extensions import override

from edgewright.base.fields import Fields

NOTHING = "–"
WIDEST = 10_000  # cells, of a console on which no table is squeezed


class Reflowing(Table):
    """A table that tells its rows one under another where a console is too narrow for its columns.

    Squeezed into fewer cells than its longest words have, a table would break them in the middle.
    """

    @override
    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        wide = options.update_width(WIDEST)  # for a narrow console rich tells no more than that
        ranges = [_range(console, wide, column) for column in self.columns]
        between = self.__rich_measure__(console, wide).maximum - sum(each.maximum for each in ranges)
        spare = options.max_width - between - sum(each.minimum for each in ranges)
        if spare >= 0:
            wanted = sum(each.span for each in ranges)
            for column, each in zip(self.columns, ranges, strict=True):
                column.width = each.minimum + int(min(1.0, spare / max(1, wanted)) * each.span)
            yield from super().__rich_console__(console, options)
            return
        heads = [column.header for column in self.columns]
        for first, *others in zip(*(column.cells for column in self.columns), strict=True):
            yield first
            named = _names_and_values()
            for head, cell in zip(heads[1:], others, strict=True):
                if str(cell):
                    named.add_row(Text(str(head), style="dim"), cell)
            yield Padding(named, (0, 0, 0, 2))


def _range(console: Console, wide: ConsoleOptions, column: Column) -> Measurement:
    """The cells of a column's longest word, or line where lines are kept, and those of its longest line."""
    cells = [Measurement.get(console, wide, cell) for cell in (column.header, *column.cells)]
    most = max(each.maximum for each in cells)
    return Measurement(most if column.no_wrap else max(each.minimum for each in cells), most)


def _names_and_values() -> Table:
    table = Table(box=None, show_header=False, pad_edge=False)
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    return table


def facts(*rows: tuple[str, str]) -> Table:
    """Names and values under one another."""
    table = _names_and_values()
    for name, value in rows:
        table.add_row(Text(name, style="dim"), Text(value))
    return table


def table(*heads: str, numbers_from: int | None = None) -> Table:
    """An empty table; columns of numbers stand at the right, and a console that is too narrow has rows as lists."""
    table = Reflowing(box=box.SIMPLE_HEAD, pad_edge=False)
    for index, head in enumerate(heads):
        right = numbers_from is not None and index >= numbers_from
        table.add_column(Text(head), justify="right" if right else "left", overflow="fold", no_wrap=index == 0)
    return table


def latencies(latency_ms: Fields) -> str:
    """The three percentiles that are told of every measurement."""
    return " / ".join(number(latency_ms.number(name)) for name in ("p50", "p90", "p99")) + " ms"


def text(document: Fields, name: str) -> str:
    """A document's text."""
    return document.text(name) or NOTHING


def percent(share: float | None) -> str:
    """A share in percent."""
    return NOTHING if share is None else f"{100 * share:.0f} %"


def megabytes(size: float | None) -> str:
    """A size in MB."""
    return NOTHING if size is None else f"{size / 1e6:.2f} MB"


def plain(value: object) -> str:
    """A value as a person writes it."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list | tuple):
        return ", ".join(map(plain, value))
    return f"{value:g}" if isinstance(value, float) else NOTHING if value is None else str(value)


def number(value: float | None, unit: str = "") -> str:
    """Four figures are more than any measurement here is good for."""
    return NOTHING if value is None else f"{value:.4g}{unit}"
