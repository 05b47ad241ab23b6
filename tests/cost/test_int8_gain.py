"""Whether int8 was worth it, told from constructed manifests."""

from collections.abc import Mapping
from dataclasses import replace

import pytest

from edgewright.cost.int8_gain import Int8Row, int8_of
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
