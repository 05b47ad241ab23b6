"""The verbs `cache`, `cache clear` and `cache sweep`: what lies in the cache, and its removal."""

import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from edgewright.cli import output
from edgewright.cli.options import AsJson

if TYPE_CHECKING:
    from edgewright.base.housekeeping import CacheItem

app = typer.Typer(
    help="What is kept to be made only once: how much of it there is, and its removal.", rich_markup_mode=None
)


@app.callback(invoke_without_command=True)
def show_cache(context: typer.Context, as_json: AsJson = False) -> int:
    """Tell how much the cache holds, by kind, and what it may hold.

    Once a day a command removes what was not used for EDGEWRIGHT_CACHE_DAYS days (90), then what was used longest ago
    until there are at most EDGEWRIGHT_CACHE_GB (50); what was used within a week stays.

    \b
    Examples:
      edgewright cache
      edgewright cache clear --older-than 30
      edgewright cache clear --kind bundles
    """
    if context.invoked_subcommand is not None:
        return 0
    from edgewright.base.housekeeping import KINDS, CacheLimits, entries
    from edgewright.base.places import cache_dir

    limits, kept = CacheLimits.set_here(), entries()
    now = time.time()
    rows = []
    for kind, known in KINDS.items():
        mine = [each for each in kept if each.kind == kind]
        used = max((each.used for each in mine), default=None)
        days = None if used is None else max(0.0, (now - used) / 86_400)
        size = sum(each.bytes for each in mine)
        rows.append({"kind": kind, "about": known.about, "entries": len(mine), "bytes": size, "used_days_ago": days})
    total = sum(each.bytes for each in kept)
    document = {
        "folder": str(cache_dir()),
        "kinds": rows,
        "bytes": total,
        "limits": {"bytes": limits.bytes, "days": limits.days},
    }
    if as_json:
        output.emit(document)
    else:
        from edgewright.report.caches import cache_report

        output.show(cache_report(document))
    return 0


@app.command("clear")
def clear_cache(
    kind: Annotated[
        list[str] | None, typer.Option("--kind", metavar="KIND", help="Only this kind; may be given more than once.")
    ] = None,
    older_than: Annotated[
        float | None, typer.Option("--older-than", metavar="DAYS", min=0, help="Only what was not used for so long.")
    ] = None,
    as_json: AsJson = False,
) -> int:
    """Remove what is in the cache; the next build makes anew what it needs.

    \b
    Examples:
      edgewright cache clear
      edgewright cache clear --kind stages --older-than 14
    """
    from edgewright.base.housekeeping import KINDS, clear

    gone, freed = clear(tuple(kind) if kind else tuple(KINDS), older_than_days=older_than)
    _tell(gone, freed, as_json)
    return 0


@app.command("sweep")
def sweep_cache(as_json: AsJson = False) -> int:
    """Remove now what a command would remove once a day: what is older or larger than the limits.

    \b
    Example:
      EDGEWRIGHT_CACHE_GB=5 edgewright cache sweep
    """
    from edgewright.base.housekeeping import CacheLimits, sweep

    gone, freed = sweep(CacheLimits.set_here())
    _tell(gone, freed, as_json)
    return 0


def _tell(gone: "Sequence[CacheItem]", unfinished_bytes: int, as_json: bool) -> None:
    freed = sum(each.bytes for each in gone) + unfinished_bytes
    if as_json:
        kinds = sorted({each.kind for each in gone})
        removed = {kind: sum(each.kind == kind for each in gone) for kind in kinds}
        output.emit({"removed": removed, "unfinished_bytes": unfinished_bytes, "freed_bytes": freed})
    else:
        output.say(f"{len(gone)} entries were removed, {freed / 1e6:.1f} MB are free again")
