"""Moving the spread of activations into weights, as a stage."""

from pathlib import Path

import pytest
import torch

from tests.stages.builds import plan, recipe, side_of

pytestmark = pytest.mark.usefixtures("places_of_stages")


def test_a_student_is_smoothed_where_the_recipe_says_so_and_says_what_it_said(paired: Path) -> None:
    side = side_of(plan(recipe("embedding", paired)))
    found = side_of(plan(recipe("embedding", paired, quantize={"smooth": 0.5})))
    assert (side.stage.name, found.stage.name) == ("distill", "smooth")
    assert found.stage.findings == side.stage.findings
    assert torch.allclose(found.outputs(side.held_out()), side.outputs(side.held_out()), atol=1e-5)
    before, after = (each.model().encoder.layer(0).attention_output.weight for each in (side, found))
    assert not torch.allclose(before, after)
