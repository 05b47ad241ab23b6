"""The verb `report`: a bundle and its measurements, or measurements alone, as a page."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from edgewright.base.once import written_whole
from edgewright.cli import output
from edgewright.cli.verbs.compare import WHAT, is_bundle, measured
from edgewright.errors import InputError, UnknownNameError

if TYPE_CHECKING:
    from edgewright.base.json_values import JsonObject
    from edgewright.bundles.bundle import Bundle

FORMATS = {"html": ".html", "md": ".md", "json": ".json"}


def report(
    of: Annotated[
        list[str], typer.Argument(metavar="BUNDLE|MEASUREMENT...", help=f"A bundle, or measurements, or both: {WHAT}.")
    ],
    file: Annotated[
        Path | None, typer.Option("--output", "-o", metavar="FILE", help="Where it is written; - is standard output.")
    ] = None,
    kind: Annotated[
        str | None, typer.Option("--format", metavar="html|md|json", help="By FILE's ending where it is not given.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="The same as --format json -o -.")] = False,
) -> int:
    """Make a page of a bundle or of measurements: verdict, models, stages, precision, what its device is predicted to
    take and what limits it there, and all samples.

    The page holds all it needs and asks for nothing from outside.

    \b
    Examples:
      edgewright report build/demo -o report.html
      edgewright report build/demo latest pi.json -o report.html
      edgewright report build/demo 12 --format md -o -
      edgewright report 11 12 -o both.html
    """
    from edgewright.bundles.bundle import Bundle
    from edgewright.report import page
    from edgewright.store.history import History

    kind, file = ("json", Path("-")) if as_json else (_format(kind, file), file or Path("-"))
    bundles = [each for each in of if is_bundle(each)]
    if len(bundles) > 1:
        raise InputError(f"a report is of one bundle, not of {len(bundles)}; `edgewright compare` shows two")
    bundle = Bundle.open(bundles[0]) if bundles else None
    manifest, predicted = (bundle.manifest, _predicted(bundle)) if bundle else (None, [])
    with History() as history:
        measurements = [measured(each, history) for each in of if each not in bundles]
    if kind == "json":
        if str(file) == "-":
            output.emit(page.document(manifest, measurements, predicted))
            return 0
        text = output.as_text(page.document(manifest, measurements, predicted))
    else:
        text = (page.page if kind == "html" else page.markdown)(manifest, measurements, predicted)
    if str(file) == "-":
        output.say(text, end="")
        return 0
    with written_whole(file) as unfinished:
        unfinished.write_text(text, encoding="utf-8")
    output.tell(f"{file} holds the report, {len(text.encode()) / 1e6:.1f} MB")
    return 0


def _predicted(bundle: Bundle) -> list[JsonObject]:
    """Of the device it was built for; nothing where nothing can be said of it."""
    from edgewright.forecast.prediction import predictions
    from edgewright.specs.profiles import load_profile

    try:
        return [each.document() for each in predictions(bundle, load_profile(bundle.manifest.profile))]
    except InputError as error:
        output.tell(f"nothing is predicted in it: {error}")
        return []


def _format(kind: str | None, file: Path | None) -> str:
    """Raises `UnknownNameError` for one there is not, `InputError` where it is not clear."""
    if kind is not None:
        if kind not in FORMATS:
            raise UnknownNameError("format of a report", kind, FORMATS)
        return kind
    if file is None:
        raise InputError("say where the report goes: -o report.html, or --format md -o - for standard output")
    for name, suffix in FORMATS.items():
        if file.suffix == suffix:
            return name
    raise UnknownNameError("format of a report", file.suffix or str(file), FORMATS.values())
