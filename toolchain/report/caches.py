"""What the cache holds, for a terminal.

In:  the document of `edgewright cache --json`.
Out: renderables of rich.
"""

from collections.abc import Mapping

from rich.console import Group, RenderableType
from rich.text import Text

from edgewright.base.fields import Fields
from edgewright.report.table_cells import NOTHING, plain, table, text


def cache_report(summary: Mapping[str, object]) -> RenderableType:
    """Kinds with their sizes, and the limits."""
    document = Fields(summary)
    rows = table("kind", "what", "entries", "MB", "used", numbers_from=2)
    for each in document.rows("kinds"):
        days = each.number("used_days_ago")
        used = NOTHING if days is None else "today" if days < 1 else f"{days:.0f} d ago"
        size = f"{(each.number('bytes') or 0) / 1e6:.1f}"
        cells = (text(each, "kind"), text(each, "about"), plain(each.value("entries")), size, used)
        rows.add_row(*map(Text, cells))
    limits = document.inner("limits")
    total = f"{(document.number('bytes') or 0) / 1e9:.2f} GB in {text(document, 'folder')}"
    days_kept, most = limits.number("days") or 0, (limits.number("bytes") or 0) / 1e9
    rule = f"Kept for {days_kept:g} days after their last use and up to {most:g} GB in all."
    return Group(rows, Text(total), Text(rule, style="dim"))
