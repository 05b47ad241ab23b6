"""What quantisation does to each part of a student, and what is done about it, as stages."""

from pathlib import Path

import pytest

from edgewright.errors import InputError
from tests.stages.builds import judged, plan, recipe, side_of

pytestmark = pytest.mark.usefixtures("places_of_stages")


def test_what_int8_does_to_each_part_is_measured_and_named_parts_stay_float(paired: Path) -> None:
    sensitivities = {}
    kept = {"exclude": ["encoder.layers.0.up"]}
    for name, asked in (("plain", {}), ("named", kept), ("off", {**kept, "sensitivity": False})):
        given = plan(recipe("embedding", paired, quantize=asked))
        sensitivities[name] = judged(given)
    plain, named, off = sensitivities.values()
    assert plain["kept_float"] == []
    assert named["kept_float"] == off["kept_float"] == ["encoder.layers.0.up"]
    assert set(off) == {"kept_float", "int4", "static"}
    assert plain["int4"] == off["int4"] == []
    assert 0 < plain["left"] == plain["error"] == named["error"] < 0.1
    assert named["left"] != named["error"]
    assert "encoder.positions" in {part["name"] for part in plain["parts"]}


def test_what_int8_costs_of_the_validation_score_is_measured_where_a_limit_is_given(paired: Path) -> None:
    for split, validated in ({}, True), ({"split": {"validation": 0.0}}, False):
        given = plan(recipe("embedding", paired, quantize={"max_score_loss_points": 20}, more_data=split))
        side = side_of(given)
        if validated:
            found = judged(given)
            assert found["points"] == found["left_points"] < 20
            assert all(isinstance(part["points"], float) for part in found["parts"])
            assert len(side.held_out("validation")) == len(side.score("validation").texts) > 0
        else:
            with pytest.raises(InputError, match=r"max_score_loss_points .* is empty; raise data\.split"):
                judged(given, static=False)


def test_weights_are_int4_where_the_recipe_says_so_and_the_outputs_bear_it(paired: Path) -> None:
    found = {}
    for most_percent in (1, 100):
        asked = {"weights": "int4", "max_error_percent": most_percent}
        given = plan(recipe("embedding", paired, quantize=asked))
        found[most_percent] = judged(given)
        with pytest.raises(InputError, match=r"stages\.quantize\.scheme to \"dynamic-int8\""):
            judged(given, static=True)
    assert found[1]["int4"] == []
    assert len(found[100]["int4"]) == len(found[100]["int4_parts"]) > 4
    assert found[1]["left"] < found[100]["left"]
    off = plan(recipe("embedding", paired, quantize={"weights": "int4", "sensitivity": False}))
    assert judged(off)["int4"] == (found[100]["int4"])
