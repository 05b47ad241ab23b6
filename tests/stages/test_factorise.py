"""Factorising a student, as a stage."""

from pathlib import Path

import pytest

from tests.stages.builds import encoder_of, plan, recipe, student_of

pytestmark = pytest.mark.usefixtures("places_of_stages")


def test_a_token_table_of_low_rank_is_trained_and_kept(paired: Path) -> None:
    made = student_of(plan(recipe("embedding", paired, low_rank={"token_rank": 16})))
    whole, factorised, student = (made[name] for name in ("prune", "low rank", "distill"))
    assert encoder_of(whole).shape.token_rank is None
    assert encoder_of(student).shape.token_rank == encoder_of(factorised).shape.token_rank == 16
    assert [each["name"] for each in factorised.findings["matrices"]] == ["tokens"]
    assert student.findings["parameters"] == factorised.findings["parameters"] < whole.findings["parameters"]
    assert student.findings["losses"][-1] < student.findings["losses"][0]
