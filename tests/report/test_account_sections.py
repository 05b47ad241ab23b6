"""The parts of a page that tell what compression changed."""

from typing import Any

import pytest

from edgewright.base.fields import Fields
from edgewright.bundles.attributions import attributions_of
from edgewright.bundles.findings import AccountRecord
from edgewright.report import page
from edgewright.report.account_sections import account_section
from tests.report.test_page import built


def test_each_words_shade_is_its_share_of_the_strongest_and_its_text_is_escaped() -> None:
    text = page.page(built(), [])
    strong, weak, against = "rgba(76,141,214,0.70)", "rgba(76,141,214,0.17)", "rgba(224,138,60,0.07)"
    assert f'<span style="background:{strong}">&lt;b&gt;loop&lt;/b&gt;</span>' in text  # to the teacher
    assert f'<span style="background:{weak}">run</span>' in text
    assert f'<span style="background:{against}">a</span>' in text
    assert f'<span style="background:{strong}">run</span>' in text  # to the student


@pytest.mark.parametrize(
    "found",
    [
        {"shown": ["run"], "teacher": [float("nan")], "student": [0.1]},
        {"shown": ["run", "a"], "teacher": [0.1], "student": [0.1, 0.2]},
        {"shown": [[0.1], [0.1, 0.2]], "teacher": [[0.1], [0.1]], "student": [[0.1], [0.1]]},
        {"shown": ["run"], "teacher": ["</span><script>"], "student": [0.1]},
        {"shown": 7},
        "nothing",
    ],
)
def test_attributions_that_are_none_are_left_out(found: Any) -> None:
    assert attributions_of(Fields({"flips": [{"text": "x", "expected": "y"}], "attributions": [found]})) == ()


def test_figures_that_a_build_did_not_record_are_told_as_that() -> None:
    groups = [{"name": "news", "count": 3, "teacher": 1.0}, {"name": "sport", "teacher": 0.5, "student": 0.25}, 7]
    section = account_section(AccountRecord.read(Fields({"count": 8, "lost": "many", "groups": groups})))
    assert section.sentences == (
        "Of 8 held-out examples the student answers not recorded worse than its teacher and not recorded better.",
    )
    classes, examples = section.tables
    assert classes.rows == (("news", "3", "100.0 %", "–", "–"), ("sport", "–", "50.0 %", "25.0 %", "-25.0"))
    assert examples.rows == ()
