"""The index of a search, as a stage."""

from pathlib import Path

from edgewright.stages.search_index import INDEX_CORPUS
from edgewright.stages.stage import Build
from tests.stages.builds import plan, recipe


def test_only_a_search_has_an_index(paired: Path, labelled: Path) -> None:
    assert INDEX_CORPUS.applies(Build(plan=plan(recipe("embedding", paired))))
    assert not INDEX_CORPUS.applies(Build(plan=plan(recipe("classification", labelled))))
