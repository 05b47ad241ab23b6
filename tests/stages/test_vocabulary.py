"""Trimming a vocabulary, as a stage."""

from pathlib import Path

import pytest

from tests.stages.builds import plan, recipe, student_of

pytestmark = pytest.mark.usefixtures("places_of_stages")


def test_a_floor_for_coverage_keeps_no_more_pieces_than_it_takes(paired: Path) -> None:
    found = student_of(plan(recipe("embedding", paired, vocabulary={"coverage": 0.9})))["vocabulary"].findings
    everything = student_of(plan(recipe("embedding", paired)))["vocabulary"].findings
    assert found["coverage"] >= 0.9
    assert found["pieces"] < everything["pieces"] <= everything["of"]
    assert everything["held_out_tokens_affected"] <= found["held_out_tokens_affected"] < 0.4
