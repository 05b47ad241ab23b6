"""The stage that reads the examples: "texts", "images", or what else the modality calls them.

In:  the files a recipe names.
Out: the examples in their parts, as the modality saves them; the result plays "examples".
"""

from __future__ import annotations

import logging
from collections.abc import Iterable

from pydantic import ConfigDict

from edgewright.data.agreement import Agreement
from edgewright.modality.base import Modality
from edgewright.stages.stage import Build, Findings, Stage, Workspace

log = logging.getLogger(__name__)


class ReadFindings(Findings):
    """How many examples each part has, and how they agree; the modality adds facts of its own."""

    model_config = ConfigDict(extra="allow")

    examples: dict[str, int]
    agreement: Agreement
    notes: tuple[str, ...]
    labelled_digest: str = ""


def read_stage(modality: Modality) -> Stage[ReadFindings]:
    """The stage that reads this modality's examples."""
    return Stage(
        name=modality.examples_name,
        version=1,
        findings=ReadFindings,
        make=read,
        plays=("examples",),
        facts=lambda build: modality.fingerprint(build.plan.recipe),
    )


def read(build: Build, work: Workspace) -> ReadFindings:
    """Read, split and check the examples."""
    plan = build.plan

    def on_progress(done: float, total: float) -> None:
        plan.progress.update(done, total, f"{done:,.0f} of {total:,.0f} read")

    reading = plan.modality.read(plan.recipe, work.folder, on_progress=on_progress)
    return ReadFindings.model_validate(
        {
            "examples": dict(reading.counts),
            "agreement": reading.agreement,
            "notes": noted(reading.notes),
            **reading.facts,
        }
    )


def noted(sentences: Iterable[str]) -> tuple[str, ...]:
    """What whoever builds should know, for a stage's findings; it is also logged at once."""
    notes = tuple(sentences)
    for sentence in notes:
        log.info("%s", sentence)
    return notes


def examples_digest(build: Build) -> str:
    """Of the examples that a teacher is fitted to and judged by: more to distil on leaves a teacher as it is."""
    return build.findings("examples", ReadFindings).labelled_digest or build.result("examples").key
