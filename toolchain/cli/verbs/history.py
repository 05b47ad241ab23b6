"""The verbs `history list`, `history show` and `history export`; and how other verbs keep what they made.

In:  the command line, or a document.
Out: entries of the history. Where it lies, and how, is `store`'s concern.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, get_args

import typer

from edgewright.base.extras import need
from edgewright.base.once import written_whole
from edgewright.base.plain import spreadsheet_cell
from edgewright.cli import output
from edgewright.cli.options import AsJson
from edgewright.errors import UnknownNameError

if TYPE_CHECKING:
    from edgewright.base.json_values import JsonObject
    from edgewright.store.history import EntryKind, Filter, HistoryEntry

FORMATS = (".json", ".csv", ".parquet")

app = typer.Typer(help="Every build and measurement that was made.", no_args_is_help=True, rich_markup_mode=None)

KindName = Annotated[str | None, typer.Option("--kind", metavar="build|bench", help="Only builds, or measurements.")]
BundleName = Annotated[str | None, typer.Option("--bundle", metavar="NAME", help="Only of bundles of this name.")]
Address = Annotated[str | None, typer.Option("--target", metavar="ADDRESS", help="Only measured there.")]
RuntimeName = Annotated[str | None, typer.Option("--runtime", metavar="NAME", help="Only of this runtime.")]
Commit = Annotated[str | None, typer.Option("--commit", metavar="HASH", help="Only of this commit; digits may lack.")]
Keep = Annotated[bool, typer.Option("--history/--no-history", help="Keep the result in the history.")]


@app.command("list")
def list_history(
    kind: KindName = None,
    bundle: BundleName = None,
    target: Address = None,
    runtime: RuntimeName = None,
    commit: Commit = None,
    limit: Annotated[int, typer.Option("--limit", min=1, help="How many to show, the newest first.")] = 20,
    as_json: AsJson = False,
) -> int:
    """List builds and measurements, the newest first.

    \b
    Examples:
      edgewright history list
      edgewright history list --bundle demo --target emulated://raspberry-pi-4 --commit 3f2a
    """
    from edgewright.store.history import History

    wanted = filter_of(kind=kind, bundle=bundle, target=target, runtime=runtime, commit=commit)
    with History() as history:
        entries = history.find(wanted, limit=limit)
    if as_json:
        output.emit({"entries": [entry.document() for entry in entries]})
    else:
        from edgewright.report.changes import entries_report

        output.show(entries_report(entries))
    return 0


@app.command("show")
def show_history(
    number: Annotated[int, typer.Argument(metavar="ID", help="An entry's number, as `history list` shows it.")],
    as_json: AsJson = False,
) -> int:
    """Show an entry as it was shown when it was made.

    \b
    Examples:
      edgewright history show 12
      edgewright history show 12 --json > before.json
    """
    from edgewright.store.history import History

    with History() as history:
        document = history.document(number)
    if as_json:
        output.emit(document)
    else:
        from edgewright.report.bench_terminal import bench_report
        from edgewright.report.kept_documents import is_build, require_showable
        from edgewright.report.terminal import build_report

        require_showable(document, name=f"entry {number} of the history")
        output.show(build_report(document) if is_build(document) else bench_report(document))
    return 0


@app.command("export")
def export_history(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="Ending in .json, .csv or .parquet.")],
    kind: KindName = None,
    bundle: BundleName = None,
    target: Address = None,
    runtime: RuntimeName = None,
    commit: Commit = None,
    as_json: AsJson = False,
) -> int:
    """Write entries into a file: .csv and .parquet hold what `history list` shows, .json the whole documents too.

    \b
    Examples:
      edgewright history export measurements.csv --kind bench
      edgewright history export demo.parquet --bundle demo
    """
    from edgewright.store.history import History

    if file.suffix not in FORMATS:
        raise UnknownNameError("format of a history", file.suffix, FORMATS)
    wanted = filter_of(kind=kind, bundle=bundle, target=target, runtime=runtime, commit=commit)
    with History() as history, written_whole(file) as unfinished:
        entries = history.find(wanted)
        if file.suffix == ".json":
            rows = [{**entry.document(), "document": history.document(entry.id)} for entry in entries]
            unfinished.write_text(json.dumps({"entries": rows}, ensure_ascii=False), encoding="utf-8")
        else:
            _write_table(unfinished, file.suffix, entries)
    if as_json:
        output.emit({"file": str(file), "entries": len(entries)})
    else:
        output.tell(f"{len(entries)} entries are in {file}")
    return 0


def _write_table(file: Path, suffix: str, entries: Sequence[HistoryEntry]) -> None:
    from dataclasses import fields

    from edgewright.store.history import HistoryEntry

    columns = [field.name for field in fields(HistoryEntry)]
    rows = [entry.document() for entry in entries]
    if suffix == ".csv":
        with file.open("w", newline="", encoding="utf-8") as sink:
            writer = csv.DictWriter(sink, columns)
            writer.writeheader()
            writer.writerows({name: spreadsheet_cell(value) for name, value in row.items()} for row in rows)
        return
    need(("pyarrow",), purpose="write .parquet", extra="parquet")
    import pyarrow
    from pyarrow import parquet

    parquet.write_table(pyarrow.Table.from_pydict({name: [row[name] for row in rows] for name in columns}), file)


def filter_of(
    *, kind: str | None, bundle: str | None, target: str | None, runtime: str | None, commit: str | None
) -> Filter:
    """What the flags ask for. Raises `UnknownNameError` for another kind."""
    from edgewright.store.history import EntryKind, Filter

    if kind not in (None, *get_args(EntryKind)):
        raise UnknownNameError("kind of entry", str(kind), get_args(EntryKind))
    return Filter(kind=kind, name=bundle, target=target, runtime=runtime, commit=commit)  # type: ignore[arg-type]


def keep(kind: EntryKind, document: JsonObject) -> None:
    """Put what was made into the history; that it cannot is a warning, and fails nothing."""
    from edgewright.store.history import History, commit_here

    try:
        with History() as history:
            history.add(kind, document, commit=commit_here())
    except Exception as error:  # what was made is there, whatever is wrong with the place it would be kept in
        output.tell(f"warning: this {kind} is not in the history: {error}")
