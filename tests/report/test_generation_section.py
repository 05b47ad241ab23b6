"""A page tells how an artifact wrote: first tokens, tokens a second, cache and bandwidth, drawn and in tables."""

from typing import Any

import pytest

from edgewright.measure.generation_measurement import Bandwidth
from edgewright.report.generation_section import generation_pictures
from edgewright.report.measured import Measured, measured_of
from edgewright.report.measurement_sections import measurement_section, side_by_side
from edgewright.report.page import markdown, page
from tests.measure.generation_examples import generation_measurement


def measured(**changes: Any) -> Measured:
    return measured_of({"bundle": "build/docstrings", **generation_measurement(**changes).document()}, "a test")


def test_a_page_has_first_tokens_by_length_and_tokens_a_second_by_context() -> None:
    section = measurement_section(measured(bandwidth=Bandwidth(copy_gb_s=8, source="a test")), None, pictures=True)
    facts, prompts, contexts, _ = section.tables
    told = dict(facts.rows)  # type: ignore[arg-type]
    assert told["first token after 32 tokens"] == "80 ms"
    assert told["tokens per second, at the slowest context"] == "50"
    assert told["memory while writing"] == "9.00 MB, of which a full cache is 0.00 MB"
    assert told["share of the memory's bandwidth"] == "50 % of the 8 GB/s that one core copies (a test)"
    assert [row[0] for row in prompts.rows] == ["4", "32"]
    assert prompts.rows[1][1].startswith("80 (")
    assert prompts.rows[1][-1] == "500"
    assert [row[:2] for row in contexts.rows][1][1].startswith("50 (")
    titles = [each.layout.title.text for each in section.pictures]
    assert titles[:2] == ["Time to a first token", "Tokens per second"]


def test_pictures_hold_medians_with_their_intervals() -> None:
    first, rate = generation_pictures(measured())
    assert list(first.data[0].x) == [4, 32]
    assert list(first.data[0].y) == pytest.approx([10, 80])
    assert list(rate.data[0].y) == pytest.approx([100, 50])
    assert min(rate.data[0].error_y.arrayminus) > 0


def test_by_a_clock_of_instructions_a_page_has_those_and_no_times() -> None:
    counted = measured(clock="instructions", emulated=True)
    section = measurement_section(counted, None, pictures=True)
    _, prompts, contexts, _ = section.tables
    assert prompts.rows == (("4", "5 M", "1 M"), ("32", "40 M", "1 M"))
    assert contexts.rows == (("20", "5 M"), ("64", "10 M"))
    assert generation_pictures(counted) == ()


def test_side_by_side_a_writer_has_its_rate_and_markdown_and_html_tell_it() -> None:
    both = [measured(), measured(clock="instructions", emulated=True)]
    assert [row[3] for row in side_by_side(both).rows] == ["50 tokens/s", "14.95 ms"]
    text = markdown(None, [measured()])
    assert "tokens per second, at the slowest context" in text
    assert "Time to a first token" in page(None, [measured()])
