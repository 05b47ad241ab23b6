"""Whether int8 was worth it, told from constructed manifests."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest
from rich.console import Console

from edgewright.report.int8 import Int8Row, int8_of, precision_of
from edgewright.report.terminal import build_report
from tests.report.test_compression import manifest, stage


def row(*, latency_ms: float, fallbacks: Mapping[str, int] | None = None, delegated: int | None = 20) -> Int8Row:
    return Int8Row(
        runtime="executorch",
        latency_ms=latency_ms,
        float_latency_ms=1.0,
        speedup=1.0 / latency_ms,
        delegated=delegated,
        fallbacks=fallbacks or {},
    )


def test_an_artifact_is_compared_with_its_float_twin_and_not_with_the_teacher() -> None:
    found = int8_of(manifest([]))
    assert [each.runtime for each in found] == ["executorch", "litert"]
    assert all(each.faster and each.speedup == pytest.approx(2.5) for each in found)
    assert found[0].verdict == "int8 executorch is 2.50× as fast as the float student (0.8 ms against 2)."


@pytest.mark.parametrize(("latency_ms", "said"), [(1.25, "is slower than"), (1.0, "is no faster"), (0.99, "no faster")])
def test_int8_that_is_not_measurably_faster_is_never_called_better(latency_ms: float, said: str) -> None:
    found = row(latency_ms=latency_ms)
    assert not found.faster
    assert said in found.verdict
    assert "it saves space, not time" in found.verdict
    assert "as fast as" not in found.verdict


def test_where_all_samples_are_known_the_whole_interval_must_be_faster() -> None:
    close = replace(row(latency_ms=0.9), low=0.97, high=1.2)
    assert not close.faster
    assert "no faster than the float student (0.9 ms against 1, 95 % interval 0.97 to 1.20×)" in close.verdict
    assert replace(close, low=1.05).faster


def test_the_reason_names_the_matrix_products_that_left_the_fast_path() -> None:
    found = row(latency_ms=2, fallbacks={"bmm.out": 4, "add.out": 9, "choose_qparams.tensor_out": 3})
    assert found.reason == "Matrix products run outside XNNPACK: bmm.out (4×)."


def test_the_reason_names_quantising_outside_the_delegate() -> None:
    found = row(latency_ms=2, fallbacks={"add.out": 9, "quantize_per_token.out": 3})
    assert found.reason == "Activations are quantised outside XNNPACK: quantize_per_token.out (3×)."


def test_where_everything_is_delegated_the_layers_are_too_small() -> None:
    assert "too small for int8" in row(latency_ms=2, fallbacks={"native_layer_norm.out": 5}).reason


def test_where_delegation_is_not_known_no_reason_is_made_up() -> None:
    found = row(latency_ms=2, delegated=None)
    assert found.reason == "Which operators left the fast path is not known for executorch."


def test_delegation_is_read_from_the_export_and_damaged_findings_are_unknown() -> None:
    known = stage("int8 executorch", {"delegated": 7, "fallbacks": {"add.out": 2}})
    odd = stage("int8 litert", {"delegated": "many", "fallbacks": 3})
    first, second = int8_of(manifest([known, odd]))
    assert (first.delegated, first.fallbacks) == (7, {"add.out": 2})
    assert (second.delegated, second.fallbacks) == (None, {})


def test_a_build_report_says_it_below_the_artifacts() -> None:
    slow = row(latency_ms=1.5).document()
    summary: dict[str, Any] = {
        "bundle": "build/x",
        "profile": "raspberry-pi-4",
        "teacher": {"score": 0.5},
        "student": {"score": 0.4},
        "artifacts": [],
        "int8": [slow],
        "stages": [],
        "budget": {"missed": []},
        "teacher_notes": ["head taken as it is, its classes matched to the labels by name"],
    }
    console = Console(width=200, record=True)
    console.print(build_report(summary))
    text = console.export_text()
    assert "int8 executorch is slower than the float student" in text
    assert "Teacher: head taken as it is, its classes matched to the labels by name." in text


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
