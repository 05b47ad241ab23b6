"""A stage's version is raised by whoever changes what it makes."""

import ast

import pytest

from edgewright.base.progress import Silent
from edgewright.pipeline import student_stages
from edgewright.specs.profiles import load_profile
from edgewright.specs.recipe import load_recipe
from edgewright.stages import Plan
from tests.stages import versions


def test_who_changes_code_that_a_stage_rests_on_raises_its_version_or_confirms_that_results_stay() -> None:
    changed = list(versions.unlike())
    assert not changed, (
        f"the code behind these stages is not as it was recorded: {', '.join(changed)}. Where it changes what a stage "
        f"makes, raise the stage's `version`, so that kept results are made again; then record it: {versions.COMMAND}"
    )


def test_every_stage_is_recorded_and_no_other() -> None:
    assert set(versions.recorded()) == set(versions.stages())
    for name in ("demo", "digits", "search-balanced"):
        plan = Plan(recipe=load_recipe(name), profile=load_profile("raspberry-pi-4"), progress=Silent())
        assert {stage.name for stage in student_stages(plan)} <= set(versions.stages())


@pytest.mark.parametrize(
    ("before", "after", "alike"),
    [
        ('"""One."""\nx = 1', '"""Two."""\nx = 1  # one', True),
        ("def f():\n    'Says.'\n    return 1", "def f():\n    return 1", True),
        ("def f():\n    return 1", "def f():\n    return 2", False),
    ],
)
def test_docstrings_and_comments_are_no_code(
    before: str, after: str, alike: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    digests = []
    for source in (before, after):
        monkeypatch.setattr(versions, "tree_of", lambda _, source=source: ast.parse(source))
        digests.append(versions.code_of.__wrapped__("any"))
    assert (digests[0] == digests[1]) is alike


def test_a_stage_rests_on_what_its_module_imports_one_through_another() -> None:
    assert "edgewright.compress.cutting" in versions.imports_of("edgewright.stages.prune")
    assert "edgewright.models.families" in versions.imports_of("edgewright.compress.cutting")
