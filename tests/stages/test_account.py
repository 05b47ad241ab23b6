"""The account of what compression changed, as a stage."""

from pathlib import Path

import pytest

from edgewright.stages.account import ACCOUNT, AccountFindings
from tests.stages.builds import build_of, plan, recipe

pytestmark = pytest.mark.usefixtures("places_of_stages")


def test_an_account_tells_which_words_the_answers_rest_on(paired: Path) -> None:
    given = plan(recipe("embedding", paired, account={"attributions": 2}))
    build = build_of(given, last="prune")
    found = ACCOUNT.run(build).findings("account", AccountFindings).document()
    assert len(found["attributions"]) == 2
    for flip, each in zip(found["flips"], found["attributions"], strict=False):
        assert each["shown"] == flip["text"].split()
        assert len(each["teacher"]) == len(each["student"]) == len(each["shown"])
        assert each["teacher"] != each["student"]
