"""The verbs `compare` and `gate`: two measurements or bundles side by side, and whether a change may go in."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from edgewright.base.numbers import float_or_none, int_or_none
from edgewright.cli import output
from edgewright.cli.options import AsJson
from edgewright.errors import InputError

if TYPE_CHECKING:
    from edgewright.bundles.schema import Manifest
    from edgewright.report.builds import BundleComparison
    from edgewright.report.compare import Comparison
    from edgewright.report.measured import Measured
    from edgewright.store.history import History

FAILED = 1
LATEST, COMMIT = "latest", "commit:"
WHAT = "an entry's number, latest, commit:HASH, or a file of `edgewright bench --json`"
Force = Annotated[bool, typer.Option("--force", help="Compare what should not be compared, and say so.")]


def compare(
    before: Annotated[str, typer.Argument(metavar="BEFORE", help=f"A bundle, or a measurement: {WHAT}.")],
    after: Annotated[str, typer.Argument(metavar="AFTER", help="Another of the same kind.")],
    force: Force = False,
    as_json: AsJson = False,
) -> int:
    """Compare two measurements or two bundles: what changed, how surely, and where time and score went.

    Of measurements: latency with its interval, memory, size, score, operators, and where their bundles are still there
    what each stage of the builds won and cost. Of bundles: scores, sizes, stages, layers, and the parts excluded from
    int8. What is unlike (machines, runtimes, clocks, inputs; tasks, data, profiles), and what is not stable, is
    compared only with --force.

    \b
    Examples:
      edgewright compare 11 12
      edgewright compare before.json latest --json
      edgewright compare build/demo build/smaller
    """
    bundles = [is_bundle(each) for each in (before, after)]
    if bundles[0] != bundles[1]:
        bundle, other = (before, after) if bundles[0] else (after, before)
        raise InputError(f"{bundle} is a bundle and {other} is none; compare two bundles, or two measurements")
    if all(bundles):
        comparisons = compared_bundles(before, after, force=force)
        if as_json:
            output.emit(comparisons.document())
        else:
            from edgewright.report.changes import bundles_report

            output.show(bundles_report(comparisons))
        return 0
    comparison = _with_stages(compared(before, after, force=force))
    if as_json:
        output.emit(comparison.document())
    else:
        from edgewright.report.changes import comparison_report

        output.show(comparison_report(comparison))
    return 0


def gate(
    baseline: Annotated[str, typer.Option("--baseline", metavar="REF", help=f"What it was before: {WHAT}.")],
    measurement: Annotated[str, typer.Argument(metavar="[MEASUREMENT]", help="What it is now.")] = LATEST,
    max_slowdown: Annotated[
        str | None, typer.Option("--max-slowdown", metavar="PERCENT", help="How much slower it may be.")
    ] = None,
    max_score_drop: Annotated[
        str | None, typer.Option("--max-score-drop", metavar="POINTS", help="How many points of a hundred may be lost.")
    ] = None,
    max_memory_growth: Annotated[
        str | None, typer.Option("--max-memory-growth", metavar="PERCENT", help="How much more memory it may take.")
    ] = None,
    max_size_growth: Annotated[
        str | None, typer.Option("--max-size-growth", metavar="PERCENT", help="How much larger the artifact may be.")
    ] = None,
    junit: Annotated[Path | None, typer.Option("--junit", metavar="FILE", help="Also write JUnit's XML.")] = None,
    markdown: Annotated[
        Path | None, typer.Option("--markdown", metavar="FILE", help="Also write a summary for a pull request.")
    ] = None,
    force: Force = False,
    as_json: AsJson = False,
) -> int:
    """Decide whether a change may go in: exit code 1 if a measurement is worse than its baseline by more than allowed.

    A slowdown counts only where its whole 95 % interval lies beyond the limit: noise alone fails nothing. Of a model
    that writes --max-slowdown limits how much later a first token comes, and how far its tokens per second fall.

    \b
    Examples:
      edgewright gate --baseline main.json --max-slowdown 3% --max-score-drop 0.5
      edgewright gate new.json --baseline commit:3f2a91c --max-slowdown 0.5% --junit gate.xml --markdown gate.md
    """
    from edgewright.report.gate import GateLimits, decide

    limits = GateLimits(
        slowdown_percent=number_of("--max-slowdown", max_slowdown),
        score_drop=number_of("--max-score-drop", max_score_drop),
        memory_growth_percent=number_of("--max-memory-growth", max_memory_growth),
        size_growth_percent=number_of("--max-size-growth", max_size_growth),
    )
    if limits == GateLimits():
        raise InputError("a gate needs at least one limit: give --max-slowdown 3%, say")
    decision = decide(compared(baseline, measurement, force=force), limits)
    for file, text in ((junit, decision.junit()), (markdown, decision.markdown())):
        if file is not None:
            file.write_text(text, encoding="utf-8")
    if as_json:
        output.emit(decision.document())
    else:
        from edgewright.report.changes import decision_report

        output.show(decision_report(decision))
    return 0 if decision.passed else FAILED


def compared(before: str, after: str, *, force: bool) -> Comparison:
    """Both measurements found and compared. Raises `InputError` where one is none, or they should not be compared."""
    from edgewright.report.compare import compare as compare_measured
    from edgewright.store.history import History

    with History() as history:
        comparison = compare_measured(measured(before, history), measured(after, history))
    _allowed(before, after, comparison.obstacles, force=force)
    return comparison


def compared_bundles(before: str, after: str, *, force: bool) -> BundleComparison:
    """Two bundles. Raises `InputError` where one is damaged, or they should not be compared."""
    from edgewright.bundles.bundle import Bundle
    from edgewright.report.builds import compare_bundles

    comparison = compare_bundles(*(Bundle.open(each).manifest for each in (before, after)))
    _allowed(before, after, comparison.obstacles, force=force)
    return comparison


def _allowed(before: str, after: str, obstacles: Sequence[str], *, force: bool) -> None:
    if obstacles and not force:
        raise InputError(
            f"{before} and {after} should not be compared: {'; '.join(obstacles)}; "
            "make them again under the same conditions, or compare them all the same with --force"
        )


def is_bundle(reference: str) -> bool:
    """Whether a reference is a folder or an archive, and no measurement."""
    place = Path(reference)
    return place.is_dir() or (place.is_file() and place.suffix == ".zip")


def _with_stages(comparison: Comparison) -> Comparison:
    """With what each stage of both builds won and cost, where the bundles are where they were measured, unchanged."""
    from edgewright.report.builds import stage_differences

    before, after = (_manifest_of(each) for each in (comparison.before, comparison.after))
    if before is None or after is None:
        return comparison
    return replace(comparison, stages=stage_differences(before, after))


def _manifest_of(measured: Measured) -> Manifest | None:
    from edgewright.bundles.bundle import Bundle

    if not Path(measured.bundle).exists():
        return None
    try:
        manifest = Bundle.open(measured.bundle).manifest
    except InputError:
        return None
    digests = {each.sha256 for each in manifest.artifacts}
    return manifest if measured.artifact.sha256 in digests else None


def measured(reference: str, history: History) -> Measured:
    """The measurement that a reference names: in the history, or a file. Raises `InputError` where there is none."""
    from edgewright.report.measured import measured_of, read_measured
    from edgewright.store.history import Filter

    if reference.isdecimal() and (number := int_or_none(reference)) is not None:
        document = history.document(number)
        if "artifacts" in document:
            raise InputError(
                f"entry {reference} of the history is a build, which measures nothing; give a measurement, or its "
                f"bundle {document.get('bundle')} by its path"
            )
        return measured_of(document, reference)
    if reference == LATEST or reference.startswith(COMMIT):
        commit = reference.removeprefix(COMMIT) if reference != LATEST else None
        entries = history.find(Filter(kind="bench", commit=commit), limit=1)
        if not entries:
            raise InputError(
                f"the history has no measurement for {reference!r}; `edgewright history list` shows those it has"
            )
        return measured_of(history.document(entries[0].id), reference)
    file = Path(reference)
    if not file.is_file():
        raise InputError(f"there is no measurement {reference!r}; give {WHAT}")
    return read_measured(file)


def number_of(flag: str, text: str | None) -> float | None:
    """A limit such as "3", "3%" or "0.5". Raises `InputError` for anything else."""
    if text is None:
        return None
    value = float_or_none(text.strip().removesuffix("%"))
    if value is None or value < 0:
        raise InputError(f"{flag} is {text!r}; give a number such as 3 or 0.5, and where it is a share, 3%")
    return value
