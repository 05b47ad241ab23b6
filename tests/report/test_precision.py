"""What int8 does to a student's outputs, told from constructed manifests."""

from typing import Any

import pytest

from edgewright.report.precision import precision_of
from tests.report.test_compression import manifest, stage

MEASURED = {
    "parts": [{"name": "encoder.layers.1.down", "float_bytes": 300, "error": 0.021}],
    "error": 0.042,
    "kept_float": [],
    "left": 0.042,
}


def test_what_int8_does_to_the_outputs_is_told_with_the_part_that_does_most() -> None:
    found = precision_of(manifest([stage("sensitivity", MEASURED)]))
    assert found == "int8 puts outputs 4.2 % off; alone encoder.layers.1.down does 2.1 %."


def test_parts_that_were_kept_in_float_are_named_with_the_reason() -> None:
    kept = {**MEASURED, "error": 0.31, "kept_float": ["encoder.layers.1.down"]}
    found = precision_of(manifest([stage("sensitivity", kept)]))
    assert found is not None
    assert found.startswith("Kept in float: encoder.layers.1.down; with them in int8 outputs would be 31 % off")
    assert found.endswith("so they are 4.2 %.")


def test_how_many_layers_bear_int4_weights_is_told() -> None:
    judged = [{"name": f"encoder.layers.{place}.up", "float_bytes": 64, "error": 0.02} for place in range(3)]
    narrow = {**MEASURED, "left": 0.09, "int4_parts": judged, "int4": ["encoder.layers.0.up", "encoder.layers.2.up"]}
    found = precision_of(manifest([stage("sensitivity", narrow)]))
    assert found is not None
    assert found.endswith("Of 3 linear layers 2 have int4 weights: with them outputs are 9 % off.")


@pytest.mark.parametrize("findings", [None, {}, {"error": "much"}, {"error": float("nan"), "left": 0.1}])
def test_a_build_that_did_not_measure_says_nothing_of_precision(findings: dict[str, Any] | None) -> None:
    assert precision_of(manifest([stage("sensitivity", findings)] if findings is not None else [])) is None
