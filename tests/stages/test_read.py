"""Reading the examples, as a stage."""

from pathlib import Path

import pytest

from edgewright.stages.read import examples_digest
from tests import tiny
from tests.stages.builds import build_of, plan, recipe, stage_of

pytestmark = pytest.mark.usefixtures("places_of_stages")


def test_the_examples_of_each_part_are_counted_and_what_is_read_is_shown(labelled: Path) -> None:
    found = stage_of(plan(recipe("classification", labelled)), "texts").findings
    assert set(found["examples"]) == {"train", "validation", "test", "extra"}
    assert sum(found["examples"].values()) == 120
    assert set(found) == {"examples", "agreement", "notes", "labelled_digest"}


def test_more_text_to_distil_on_changes_what_is_read_but_not_what_a_teacher_is_fitted_to(
    labelled: Path, tmp_path: Path
) -> None:
    more = tmp_path / "more.txt"
    more.write_text("\n".join(tiny.sentences(20, seed=7)))
    plain, joined = (
        build_of(plan(recipe("classification", labelled, more_data=data)), last="texts")
        for data in ({}, {"extra_text": more})
    )
    assert plain.result("examples").key != joined.result("examples").key
    assert examples_digest(plain) == examples_digest(joined)
