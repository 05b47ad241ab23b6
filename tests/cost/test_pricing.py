"""Prices: what is limited by what, what lies beyond a calibration, threads, memory, and how quickly it is told."""

import time
from dataclasses import replace

import pytest

from edgewright.cost.pricing import TERMS, Corrected, Kernels, Roofline, Table, predict, terms
from edgewright.specs.profiles import load_profile
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


TABLE = Table(
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


def test_a_tile_that_is_begun_is_paid_for_whole() -> None:
    assert terms("linear", (5, 64, 17), Kernels(rows=4, outputs=16))[1] == pytest.approx(8 * 64 * 32 / 1e6)
    eight, nine = (predict(TABLE, structure(linear(64, 64)), length=length).latency_ms for length in (8, 9))
    ten = predict(TABLE, structure(linear(64, 64)), length=10).latency_ms
    assert nine - eight > 10 * (ten - nine)


def test_each_tap_of_a_filter_is_padded_to_the_inputs_that_kernels_take_together() -> None:
    wide = Kernels(inputs=8, filter_inputs=4, filter_outputs=8)
    assert terms("convolution", (64, 49, 1, 8), wide)[2] == pytest.approx(49 * 4 * 8 / 1e6)
    assert terms("convolution", (64, 49, 6, 8), wide)[2] == pytest.approx(49 * 8 * 8 / 1e6)
    assert terms("convolution", (64, 9, 4, 9), wide)[2] == pytest.approx(9 * 4 * 16 / 1e6)
    assert terms("linear", (64, 49, 8), wide)[2] == pytest.approx(56 * 8 / 1e6)


def test_each_fixed_shape_that_a_process_runs_holds_the_weights_once_more() -> None:
    model = structure(linear(64, 64), matrix_weights=1_000_000)
    one, three = (predict(TABLE, model, length=16, shapes=shapes).peak_memory_bytes for shapes in (1, 3))
    assert three - one == pytest.approx(2 * (2.0 * 1_000_000 + model.activation_bytes(16)))


@pytest.mark.parametrize(
    "kind_and_sizes",
    [
        ("linear", (4, 8, 16)),
        ("convolution", (64, 9, 3, 16)),
        ("matmul", (2, 8, 8, 8)),
        ("depthwise", (64, 16, 9)),
        ("normalisation", (8, 64)),
        ("softmax", (16, 8)),
        ("embedding", (8, 64)),
        ("activation", (512,)),
        ("elementwise", (512,)),
        ("reduction", (8, 64)),
        ("permute", (8, 64)),
        ("transpose", (2, 8, 64)),
        ("slice", (3, 512)),
        ("bytes", (768,)),
    ],
)
def test_every_kind_has_a_rate_for_each_of_its_terms(kind_and_sizes: tuple) -> None:  # type: ignore[type-arg]
    kind, sizes = kind_and_sizes
    assert len(terms(kind, sizes, Kernels())) == len(TERMS[kind])


def test_one_row_is_priced_by_a_kernel_of_its_own() -> None:
    one, two = (terms("linear", (rows, 64, 32), Kernels(rows=4, outputs=16)) for rows in (1, 2))
    assert one[1] == one[7] == 0
    assert two[9] == two[10] == 0
    assert one[9] == pytest.approx(64 * 32 / 1e6)
    assert two[1] == pytest.approx(4 * 64 * 32 / 1e6)


def test_wide_rows_are_normalised_at_a_rate_of_their_own() -> None:
    narrow, wide = (terms("normalisation", (10, width), Kernels(wide_row=256)) for width in (248, 256))
    assert narrow[1] == pytest.approx(2480 / 1e6)
    assert narrow[3:] == (0.0, 0.0)
    assert wide[1:3] == (0.0, 0.0)
    assert wide[3] == pytest.approx(2560 / 1e6)


def test_a_correction_makes_all_of_a_latency_dearer_and_is_named() -> None:
    model = structure(linear(256, 256))
    plain = predict(TABLE, model, length=16)
    found = predict(Corrected(prices=TABLE, factor=1.2, measurements=3), model, length=16)
    assert found.latency_ms == pytest.approx(1.2 * plain.latency_ms)
    assert found.peak_memory_bytes == plain.peak_memory_bytes
    assert found.source == "a test; times 1.20 by 3 measurements since"


def test_the_parts_of_a_prediction_add_up_and_the_largest_limits_it() -> None:
    found = predict(TABLE, structure(linear(256, 256, count=4)), length=32)
    assert sum(found.by_limit.values()) == pytest.approx(found.latency_ms)
    assert sum(found.by_kind.values()) == pytest.approx(found.latency_ms)
    assert found.limited_by == "arithmetic"
    assert predict(TABLE, structure(linear(64, 64)), length=3).limited_by == "overhead"
    assert found.low_ms < found.latency_ms < found.high_ms
    assert found.notes == ()


def test_far_outside_of_what_was_calibrated_the_interval_widens_and_says_so() -> None:
    within = predict(TABLE, structure(linear(384, 384)), length=64)
    beyond = predict(TABLE, structure(linear(384, 6144)), length=64)
    assert within.high_ms / within.latency_ms == pytest.approx(1.05)
    assert beyond.high_ms / beyond.latency_ms > 3
    assert beyond.notes == ("beyond what was calibrated: linear of 64 × 384 × 6144",)
    strange = Operator(kind="depthwise", sizes=((TOKENS,), ((64, 0),), ((9, 0),)))
    assert "depthwise, which was not calibrated" in predict(TABLE, structure(strange), length=8).notes[0]


def test_threads_share_all_but_the_overhead() -> None:
    model = structure(linear(384, 384))
    one, four = (predict(TABLE, model, length=64, threads=threads) for threads in (1, 4))
    assert four.by_limit["overhead"] == one.by_limit["overhead"]
    assert four.by_limit["arithmetic"] == pytest.approx(one.by_limit["arithmetic"] * (0.2 + 0.8 / 4))


def test_memory_is_the_runner_the_file_packed_matrices_and_activations() -> None:
    found = predict(TABLE, structure(linear(64, 64)), length=10, file_bytes=200_000)
    assert found.peak_memory_bytes == 10_000_000 + 200_000 + 2 * 100_000 + 4 * 256 * 10


def test_facts_alone_say_what_cores_differ_in() -> None:
    model = structure(linear(384, 1536), linear(1536, 384), matrix_weights=1_179_648)

    def found(name: str, precision: str = "int8") -> float:
        prices = Roofline(profile=load_profile(name), precision=precision)  # type: ignore[arg-type]
        return predict(prices, model, length=64).latency_ms

    assert found("raspberry-pi-zero-2-w") > found("raspberry-pi-3b-plus") > found("raspberry-pi-4")
    assert found("raspberry-pi-4") > 3 * found("raspberry-pi-5")
    assert found("raspberry-pi-5", "float") > 3 * found("raspberry-pi-5")
    told = predict(Roofline(profile=load_profile("raspberry-pi-4"), precision="int8"), model, length=64)
    assert told.high_ms == 2 * told.latency_ms
    assert "facts of raspberry-pi-4 alone" in told.source


def test_one_token_of_a_large_model_waits_for_memory() -> None:
    heavy = structure(linear(4096, 4096, count=8), matrix_weights=8 * 4096 * 4096)
    prices = Roofline(profile=load_profile("raspberry-pi-5"), precision="int8")
    assert predict(prices, heavy, length=1).limited_by == "bandwidth"
    assert predict(prices, heavy, length=64).limited_by == "arithmetic"


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
