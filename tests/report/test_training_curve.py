"""A page shows how the score went over the training, where it was looked at."""

from typing import Any

from edgewright.bundles.build_record import BuildRecord
from edgewright.report import page
from edgewright.report.training_curve import training_section
from tests.report.test_compression import manifest, whole_build
from tests.report.test_page import Page

POINTS = [{"tokens": 1000, "score": 2.5}, {"tokens": 20_000, "score": 1.75}, {"tokens": "many", "score": 1.0}]


def validated(*stages: str) -> list[dict[str, Any]]:
    """The build with these stages validated."""
    return [
        {**each, "findings": {**each["findings"], "validations": POINTS if each["name"] in stages else []}}
        for each in whole_build()
    ]


def test_scores_are_told_stage_by_stage_with_what_they_were_trained_on() -> None:
    build = BuildRecord.of(manifest(validated("distill")))
    section = training_section(build, "bits per byte", pictures=True)
    assert section is not None
    (table,) = section.tables
    assert table.rows == (("distill", "1,000", "2.5000"), ("distill", "20,000", "1.7500"))
    (figure,) = section.pictures
    assert [list(each.y) for each in figure.data] == [[2.5, 1.75]]


def test_a_page_has_the_section_only_where_a_training_was_validated() -> None:
    assert "How training went" in Page(page.page(manifest(validated("distill")), [])).text
    assert "20,000" in page.markdown(manifest(validated("distill")), [])
    assert "How training went" not in Page(page.page(manifest(whole_build()), [])).text
    assert training_section(BuildRecord.of(manifest(whole_build())), "accuracy", pictures=True) is None
