"""Prices: what is limited by what, what lies beyond a calibration, threads, memory, and how quickly it is told."""

import time
from dataclasses import replace

import pytest

from edgewright.cost.fitted_prices import FittedPrices
from edgewright.cost.pricing import predict
from edgewright.cost.terms import Kernels
from edgewright.specs.structure import Operator, Structure, joined

TOKENS = (0, 1)


def linear(inputs: int, outputs: int, count: int = 1) -> Operator:
    return Operator(kind="linear", sizes=((TOKENS,), ((inputs, 0),), ((outputs, 0),)), count=count)


def structure(*operators: Operator, matrix_weights: int = 100_000) -> Structure:
    live = ((TOKENS, (256, 0)),)
    return Structure(
        operators=operators,
        live=live,
        table_weights=50_000,
        table_rows=500,
        matrix_weights=matrix_weights,
        other_weights=1_000,
    )


TABLE = FittedPrices(
    source="a test",
    kernels=Kernels(rows=4, outputs=16),
    base_ms=0.1,
    rates={"linear": (0.01, 0.5, 0.02, 0.01, 0.01, 0.0, 0.0, 0.0, 0.5, 0.5, 0.0, 0.0)},
    seen={"linear": ((3, 64), (64, 384), (64, 384))},
    spread=0.05,
    parallel_share=0.8,
    memory=(10e6, 1.0, 2.0, 1.0),
    memory_spread=0.04,
)


def test_each_fixed_shape_that_a_process_runs_holds_the_weights_once_more() -> None:
    model = structure(linear(64, 64), matrix_weights=1_000_000)
    one, three = (predict(TABLE, model, length=16, shapes=shapes).peak_memory_bytes for shapes in (1, 3))
    assert three - one == pytest.approx(2 * (2.0 * 1_000_000 + model.activation_bytes(16)))


def test_the_parts_of_a_prediction_add_up_and_the_largest_limits_it() -> None:
    found = predict(TABLE, structure(linear(256, 256, count=4)), length=32)
    assert sum(found.by_limit.values()) == pytest.approx(found.latency_ms)
    assert sum(found.by_kind.values()) == pytest.approx(found.latency_ms)
    assert found.limited_by == "arithmetic"
    assert predict(TABLE, structure(linear(64, 64)), length=3).limited_by == "overhead"
    assert found.low_ms < found.latency_ms < found.high_ms
    assert found.notes == ()


def test_equal_operators_are_counted_and_cost_the_same() -> None:
    apart = [linear(64, 64), linear(64, 128), linear(64, 64)]
    together = joined(apart)
    assert [each.count for each in together] == [2, 1]
    one = predict(TABLE, structure(*apart), length=8).latency_ms
    assert predict(TABLE, structure(*together), length=8).latency_ms == pytest.approx(one)


def test_a_prediction_of_a_whole_model_takes_less_than_five_ms() -> None:
    model = structure(*(linear(64 + each, 64 + each) for each in range(120)))
    taken = []
    for _ in range(9):
        begun = time.perf_counter()
        predict(TABLE, model, length=32)
        taken.append(time.perf_counter() - begun)
    assert min(taken) < 0.005


def test_int8_weights_are_a_byte_and_tables_have_a_scale_for_each_row() -> None:
    model = structure(linear(8, 8))
    assert model.weight_bytes(int8=False) == 4 * 151_000
    assert model.weight_bytes(int8=True) == 50_000 + 100_000 + 4 * (500 + 1_000)
    assert replace(model, live=((TOKENS, TOKENS, (2, 0)),)).activation_bytes(10) == 4 * 200
