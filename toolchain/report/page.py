"""A bundle and its measurements as one page that opens anywhere, or as Markdown, or as one document.

In:  a bundle's manifest, and measurements of it; or measurements alone.
Out: HTML with everything in it, which asks for nothing from outside; Markdown; or a mapping for JSON.
What is drawn is `figures`' concern. Whatever comes from data is escaped.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from edgewright.base.extras import need
from edgewright.base.fields import Fields
from edgewright.base.plain import escaped
from edgewright.bundles.schema import Manifest
from edgewright.cost.int8_gain import int8_of
from edgewright.report import figures
from edgewright.report.bundle_sections import built_sections, files, limits, provenance
from edgewright.report.compression import compression_of
from edgewright.report.measured import Measured
from edgewright.report.measurement_sections import measurement_section, side_by_side
from edgewright.report.precision import precision_of
from edgewright.report.prediction_section import PredictionDocument, prediction_section
from edgewright.report.sections import PageSection
from edgewright.report.speedup_rows import speedups_of
from edgewright.specs.budget import BetterBaseline, as_good

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

TEMPLATE = "page.html.jinja"
PURPOSE = "make a report"
PAGE_PACKAGES = ("jinja2", "plotly")


def document(
    manifest: Manifest | None, measured: Sequence[Measured], predicted: Sequence[PredictionDocument] = ()
) -> dict[str, object]:
    """All that the page is made from."""
    built: dict[str, object] = {}
    if manifest is not None:
        built = {
            "manifest": manifest.model_dump(mode="json"),
            **compression_of(manifest).summary(),
            "int8": [row.document() for row in int8_of(manifest)],
            "precision": precision_of(manifest),
            "speedups": [
                {"runtime": each.runtime, **each.document()} for each in speedups_of(manifest, measured=measured)
            ],
            "baseline_at_least_as_good": found.sentence if (found := _as_good(manifest)) else None,
            "predictions": list(predicted),
        }
    return {**built, "measurements": [each.model_dump(mode="json") for each in measured]}


def page(manifest: Manifest | None, measured: Sequence[Measured], predicted: Sequence[PredictionDocument] = ()) -> str:
    """The HTML. Raises `EnvironmentFaultError` without the extra "report"."""
    met = not any(_missed(verdict) for verdict in _verdicts(manifest, measured))
    verdict = _headline(manifest, met=met)
    return _rendered(_name(manifest, measured), met, verdict, sections(manifest, measured, predicted, pictures=True))


def prediction_page(subject: str, predictions: Sequence[PredictionDocument]) -> str:
    """What `edgewright predict --json` tells, as a page of its own: a roof for each artifact."""
    met = any(not _missed(each.get("budget")) for each in predictions)
    return _rendered(
        subject, met, _headline(None, met=met), (prediction_section(each, pictures=True) for each in predictions)
    )


def _as_good(manifest: Manifest) -> BetterBaseline | None:
    """The method without a network, where it scores at least as well as the best artifact."""
    best = next(each for each in manifest.artifacts if each.runtime == manifest.best)
    return as_good(manifest.baseline.name, manifest.baseline.score, best.score, metric=manifest.task.metric)


def _headline(manifest: Manifest | None, *, met: bool) -> str:
    said = "Budget met" if met else "Budget missed"
    if manifest is None or (baseline := _as_good(manifest)) is None:
        return said
    return f"{said}, {'but' if met else 'and'} {baseline.sentence}"


def _rendered(name: str, met: bool, verdict: str, shown: Iterable[PageSection]) -> str:
    need(PAGE_PACKAGES, purpose=PURPOSE, extra="report")
    from jinja2 import Environment, PackageLoader, StrictUndefined
    from markupsafe import Markup
    from plotly.offline import get_plotlyjs

    environment = Environment(
        loader=PackageLoader("edgewright.report", "."), autoescape=True, undefined=StrictUndefined, trim_blocks=True
    )
    options = {"displayModeBar": False, "responsive": True}

    def drawn(figure: Figure) -> Markup:
        return Markup(figure.to_html(full_html=False, include_plotlyjs=False, config=options))

    return environment.get_template(TEMPLATE).render(
        name=name,
        met=met,
        verdict=verdict,
        sections=list(shown),
        drawn=drawn,
        plotly=Markup(get_plotlyjs()),
    )


def markdown(
    manifest: Manifest | None, measured: Sequence[Measured], predicted: Sequence[PredictionDocument] = ()
) -> str:
    """The same without pictures."""
    lines = [f"# {escaped(_name(manifest, measured))}"]
    for section in sections(manifest, measured, predicted, pictures=False):
        lines += ["", f"## {escaped(section.title)}", ""]
        lines += [f"{escaped(each)}\n" for each in section.sentences]
        for table in section.tables:
            lines += [_row(table.heads), _row(["---"] * len(table.heads)), *map(_row, table.rows), ""]
    return "\n".join(lines) + "\n"


def sections(
    manifest: Manifest | None, measured: Sequence[Measured], predicted: Sequence[PredictionDocument], *, pictures: bool
) -> Iterator[PageSection]:
    """The page from top to bottom."""
    verdict = tuple(_verdict(manifest, measured))
    yield PageSection(title="Verdict", sentences=verdict, tables=(limits(manifest),) if manifest else ())
    if len(measured) > 1:
        found = figures.measured(measured) if pictures else None
        yield PageSection(title="Side by side", tables=(side_by_side(measured),), pictures=(found,) if found else ())
    compression = None
    if manifest is not None:
        compression = compression_of(manifest)
        yield from built_sections(manifest, compression, speedups_of(manifest, measured=measured), pictures=pictures)
    for expected in predicted:
        yield prediction_section(expected, pictures=pictures)
    for each in measured:
        yield measurement_section(each, compression, pictures=pictures)
    if manifest is not None:
        yield PageSection(title="Provenance", tables=(provenance(manifest), files(manifest)))


def _name(manifest: Manifest | None, measured: Sequence[Measured]) -> str:
    if manifest is not None:
        return manifest.name
    return ", ".join(dict.fromkeys(each.name or each.bundle for each in measured))


def _verdicts(manifest: Manifest | None, measured: Sequence[Measured]) -> Iterator[Mapping[str, object]]:
    if manifest is not None:
        yield manifest.verdict
    yield from (each.budget for each in measured)


def _missed(verdict: object) -> list[str]:
    """A sentence for each limit that was missed."""
    return [each.text("sentence") or "" for each in Fields.of(verdict).rows("missed")]


def _verdict(manifest: Manifest | None, measured: Sequence[Measured]) -> Iterator[str]:
    """What the build could judge, and what each device decided."""
    if manifest is not None:
        missed = _missed(manifest.verdict)
        yield "Budget missed." if missed else "Budget met, as far as it can be judged before a device is at hand."
        yield from missed
        if (baseline := _as_good(manifest)) is not None:
            yield f"{baseline.sentence}."
        undecided = Fields(manifest.verdict).texts("undecided")
        if undecided and not measured:
            yield f"Only a device can decide {', '.join(undecided)}."
    for each in measured:
        if missed := _missed(each.budget):
            yield f"On {each.target} the budget is missed: {'; '.join(missed)}."
        elif each.budget:
            undecided = Fields(each.budget).texts("undecided")
            rest = f"; {', '.join(undecided)} cannot be decided there" if undecided else ""
            yield f"On {each.target} the budget is met{rest}."


def _row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cell if set(cell) == {'-'} else escaped(cell) for cell in cells)} |"
