"""Cells say sizes, times and facts in few figures, and what is not known as such."""

import pytest

from edgewright.report.sections import UNKNOWN, PageSection, fact, megabytes, milliseconds


@pytest.mark.parametrize(
    ("size", "said"), [(0, "0.00 MB"), (5_400_000, "5.40 MB"), (1_234, "0.00 MB"), (2_345_678_901, "2345.68 MB")]
)
def test_sizes_are_in_megabytes(size: int, said: str) -> None:
    assert megabytes(size) == said


@pytest.mark.parametrize(
    ("value", "said"), [(0.0, "0 ms"), (0.012345, "0.0123 ms"), (11.456, "11.5 ms"), (999.6, "1e+03 ms")]
)
def test_times_have_three_figures(value: float, said: str) -> None:
    assert milliseconds(value) == said


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ("Linux", "Linux"),
        (4, "4"),
        (False, "False"),
        (["a", "b"], "a, b"),
        ((), ""),
        ({"l1": 32, "l2": 512}, "l1 32, l2 512"),
    ],
)
def test_a_fact_may_be_several(value: object, said: str) -> None:
    assert fact(value) == said


def test_what_is_not_known_is_told_as_such() -> None:
    assert megabytes(None) == milliseconds(None) == fact(None) == UNKNOWN


def test_a_section_may_be_a_heading_alone() -> None:
    section = PageSection(title="Provenance")
    assert (section.sentences, section.tables, section.texts, section.pictures) == ((), (), (), ())
