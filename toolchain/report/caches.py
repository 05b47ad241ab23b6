"""What the cache holds, for a terminal.

In:  the document of `edgewright cache --json`.
Out: renderables of rich.
"""

from collections.abc import Mapping
from typing import Any

from rich.console import Group, RenderableType
from rich.text import Text

from edgewright.report.table_cells import NOTHING, table


def cache_report(document: Mapping[str, Any]) -> RenderableType:
    """Kinds with their sizes, and the limits."""
    rows = table("kind", "what", "entries", "MB", "used", numbers_from=2)
    for each in document["kinds"]:
        days = each["used_days_ago"]
        used = NOTHING if days is None else "today" if days < 1 else f"{days:.0f} d ago"
        cells = (each["kind"], each["about"], str(each["entries"]), f"{each['bytes'] / 1e6:.1f}", used)
        rows.add_row(*map(Text, cells))
    limits = document["limits"]
    total = f"{document['bytes'] / 1e9:.2f} GB in {document['folder']}"
    told = f"Kept for {limits['days']:g} days after their last use and up to {limits['bytes'] / 1e9:g} GB in all."
    return Group(rows, Text(total), Text(told, style="dim"))
