"""The stage that chooses the word pieces that stay.

In:  the teacher's vocabulary, and the texts.
Out: the student's tokenizer; the result plays "inputs".
"""

from __future__ import annotations

from collections.abc import Mapping

from edgewright.stages.float_models import dataset_of
from edgewright.stages.stage import Build, Findings, Stage, Workspace


class VocabularyFindings(Findings):
    """How many pieces stay of how many, the share of the training text they cover, and what that leaves of the rest."""

    pieces: int
    of: int
    coverage: float
    held_out_tokens_affected: float


def settings(build: Build) -> Mapping[str, object]:
    """Those of the vocabulary."""
    return build.plan.recipe.stages.vocabulary.model_dump()


def trim_vocabulary(build: Build, work: Workspace) -> VocabularyFindings:
    """Choose the word pieces that stay."""
    found = build.plan.modality.trim_vocabulary(build.plan.recipe, dataset_of(build, "teacher"), work.folder)
    return VocabularyFindings.model_validate(found)


VOCABULARY = Stage(
    name="vocabulary",
    version=1,
    findings=VocabularyFindings,
    make=trim_vocabulary,
    needs=("teacher", "examples"),
    plays=("inputs",),
    settings=settings,
    applies=lambda build: build.plan.modality.has_vocabulary,
)
