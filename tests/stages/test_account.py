"""The account of what compression changed, as a stage."""

from pathlib import Path

import pytest

from edgewright import stages
from edgewright.stages import TextSide
from tests.stages.builds import plan, recipe, student_of

pytestmark = pytest.mark.usefixtures("places_of_stages")


def test_an_account_tells_which_words_the_answers_rest_on(paired: Path) -> None:
    given = plan(recipe("embedding", paired, account={"attributions": 2}))
    made = student_of(given)
    teacher = TextSide(plan=given, texts=made["texts"], tokens=made["teacher"], stage=made["teacher"])
    cut = TextSide(plan=given, texts=made["texts"], tokens=made["vocabulary"], stage=made["prune"])
    found = stages.account(given, teacher, cut).findings
    assert len(found["attributions"]) == 2
    for flip, each in zip(found["flips"], found["attributions"], strict=False):
        assert each["shown"] == flip["text"].split()
        assert len(each["teacher"]) == len(each["student"]) == len(each["shown"])
        assert each["teacher"] != each["student"]
