"""The stage that embeds what a search finds: every answer of the data, with its question as one text.

In:  the student of a task of embeddings.
Out: the texts and their vectors, as a bundle has them.
"""

from __future__ import annotations

from edgewright.bundles.bundle import CORPUS, INDEX
from edgewright.stages.sides import student_of
from edgewright.stages.stage import Build, Findings, Stage, Workspace
from edgewright.tasks.search_index import SearchIndex


class IndexFindings(Findings):
    """How many texts can be found."""

    texts: int


def _index(build: Build, work: Workspace) -> IndexFindings:
    student = student_of(build)
    corpus = student.dataset.corpus()
    embeddings = student.dataset.outputs(student.model(), corpus.inputs)
    index = SearchIndex.of(corpus.titles, corpus.texts, embeddings)
    index.save(work.folder / CORPUS, work.folder / INDEX)
    return IndexFindings(texts=len(corpus.texts))


def _applies(build: Build) -> bool:
    return build.plan.task.searched


INDEX_CORPUS = Stage(
    name="index",
    version=1,
    findings=IndexFindings,
    make=_index,
    needs=("examples", "inputs", "student"),
    applies=_applies,
)
