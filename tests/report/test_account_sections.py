"""The parts of a page that tell what compression changed."""

from typing import Any

import pytest

from edgewright.report import page
from edgewright.report.attributions import attributions_of
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
    assert attributions_of({"flips": [{"text": "x", "expected": "y"}], "attributions": [found]}) == ()
