"""The parts of a page that tell what compression changed."""

from typing import Any

import pytest

from edgewright.base.fields import Fields
from edgewright.bundles.attributions import attributions_of
from edgewright.bundles.findings import AccountRecord
from edgewright.report import page
from edgewright.report.account_sections import account_section, writing_section
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


def test_how_often_tokens_are_the_teachers_is_told_of_models_that_write() -> None:
    agreement = {"tokens": 41_234, "same": 0.612, "among_first": 0.871, "sure_tokens": 9_000, "sure": 0.9}
    section = account_section(AccountRecord.read(Fields({"count": 8, "lost": 5, "won": 3, "agreement": agreement})))
    assert section.sentences[1] == (
        "Of 41,234 held-out tokens the student takes the same for likeliest as its teacher in 61.2 % (90.0 % where the "
        "teacher is sure), and one of the teacher's first five in 87.1 %."
    )


def test_what_is_written_stands_beside_what_is_wanted_and_what_retrieval_answers() -> None:
    shares = {"rouge_l": 0.5, "exact": 0.25}
    example = {"index": 3, "prompt": "<b>", "expected": "yes", "teacher": "yes", "student": "no"}
    writing = {"count": 4, "equal": 0.75, "teacher": shares, "student": {"rouge_l": 0.4}, "examples": [example, 7]}
    record = AccountRecord.read(Fields({"writing": writing})).writing
    assert record is not None
    section = writing_section(record)
    assert section.sentences == (
        "After 4 held-out prompts, greedily; after 75.0 % of them student and teacher write the same.",
    )
    figures, examples = section.tables
    assert figures.rows == (
        ("teacher", "50.0 %", "25.0 %"),
        ("student", "40.0 %", "–"),
        ("completion of the nearest training prompt (TF-IDF)", "–", "–"),
    )
    assert examples.rows == (("<b>", "yes", "yes", "no"),)


def test_an_account_without_texts_has_none() -> None:
    found = AccountRecord.read(Fields({"count": 8, "agreement": None, "writing": "nothing"}))
    assert (found.agreement, found.writing) == (None, None)
