"""What several of a terminal's reports end with: the budget's verdict, int8's, and notes on an emulator's clock."""

from collections.abc import Mapping
from textwrap import shorten
from typing import Any

from rich.console import Group, RenderableType
from rich.text import Text

from edgewright.report.table_cells import NOTHING
from edgewright.report.table_cells import number as _number

CLOCK_NOTES = {
    "instructions": "Emulated: this clock counts instructions (2 ns each). Compare variants with it; "
    "these are not a board's milliseconds.",
    "wall": "Emulated: these milliseconds are the emulator's on this machine. They say nothing about a board's speed.",
}


def verdict(budget: Mapping[str, Any]) -> RenderableType:
    """What was missed or not measured, and as the last line whether the budget was met and a network is needed."""
    lines = [Text(f"Budget missed: {miss['sentence']}", style="red") for miss in budget["missed"]]
    if budget.get("undecided"):
        lines.append(Text(f"Not measured here: {', '.join(budget['undecided'])}.", style="yellow"))
    as_good = budget.get("baseline_at_least_as_good")
    if as_good:
        told = "Budget missed, and" if budget["missed"] else "Budget met, but"
        lines.append(Text(f"{told} {as_good['sentence']}.", style="yellow"))
    elif not budget["missed"]:
        lines.append(Text("Budget met.", style="green"))
    return Group(*lines)


def int8_verdict(row: Mapping[str, Any]) -> Text:
    """What int8 bought, marked where that is no speed."""
    return Text(row["verdict"], style="" if row["faster"] else "yellow")


def rounded(value: float | None) -> str:
    """Three figures, for narrow columns."""
    return NOTHING if value is None else f"{value:.3g}"


def shortened(text: str) -> str:
    """As much of a text as a table has room for; `--json` has it whole."""
    return shorten(text, SHOWN_CHARACTERS, placeholder=" …")


SHOWN_CHARACTERS = 240


def parity(found: Mapping[str, Any] | None) -> str:
    """Whether outputs agree, and the worst cosine."""
    if not found:
        return NOTHING
    said = "agree" if found["passed"] else "DIFFER"
    return f"{said}, cosine ≥ {_number(found.get('cosine_min'))}"
