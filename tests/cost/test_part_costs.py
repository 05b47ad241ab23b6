"""What parts cost is kept as a table of sizes, read back with every fault, and read between its sizes."""

import json
from pathlib import Path

import pytest

from edgewright.cost.part_costs import CostTable, PricedLayer, load
from edgewright.cost.part_estimates import from_profile
from edgewright.errors import InputError, InvalidFileError
from edgewright.models.transformer_shape import LayerShape, TransformerShape
from edgewright.specs.profiles import load_profile


def estimate(device: str = "raspberry-pi-4") -> CostTable:
    return from_profile(load_profile(device), PricedLayer(length=64, width=384, head_width=32, heads=12, neurons=1536))


def test_a_table_is_saved_and_read_back_the_same(tmp_path: Path) -> None:
    estimate().save(tmp_path / "costs.json")
    assert load(tmp_path / "costs.json") == estimate()


def test_a_damaged_table_is_refused_with_every_fault(tmp_path: Path) -> None:
    file = tmp_path / "costs.json"
    damaged = {**json.loads(estimate().model_dump_json()), "fixed_ms": -1, "length": 0}
    file.write_text(json.dumps(damaged))
    with pytest.raises(InvalidFileError) as caught:
        load(file)
    assert [place for place, _ in caught.value.faults] == ["length", "fixed_ms"]
    with pytest.raises(InputError, match=r"none\.json cannot be read"):
        load(tmp_path / "none.json")


def test_a_table_that_falls_is_refused(tmp_path: Path) -> None:
    damaged = json.loads(estimate().model_dump_json())
    damaged["attention_ms"][3]["ms"] = 0.0
    (tmp_path / "costs.json").write_text(json.dumps(damaged))
    with pytest.raises(InvalidFileError, match="attention_ms: size 4 after 3 must be larger and no cheaper"):
        load(tmp_path / "costs.json")


def test_the_largest_layer_has_as_many_of_each_part_as_any() -> None:
    layers = (LayerShape(heads=2, head_width=8, neurons=64), LayerShape(heads=4, head_width=8, neurons=16))
    found = PricedLayer.largest(TransformerShape(width=32, layers=layers, gated=True), 16)
    assert found == PricedLayer(length=16, width=32, head_width=8, heads=4, neurons=64, gated=True)


def test_between_two_sizes_a_cost_is_on_their_line_and_beyond_them_the_line_goes_on() -> None:
    costs = estimate()
    middle = (costs.attention(4) + costs.attention(6)) / 2
    assert costs.attention(5) == pytest.approx(middle, rel=0.05)
    assert costs.attention(14) > costs.attention(12)
    assert costs.attention(0) == 0
