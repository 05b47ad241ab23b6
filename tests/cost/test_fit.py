"""Fitting: rates that samples were made from come back, with an interval, in spite of noise and a disturbance."""

import random
from dataclasses import replace

import pytest

from edgewright.cost.fit import Sample, fitted
from edgewright.cost.fitted_prices import FittedPrices
from edgewright.cost.pricing import predict
from edgewright.cost.terms import Kernels
from edgewright.errors import InputError
from edgewright.specs.structure import Operator, Structure

TRUE = FittedPrices(
    source="made up",
    kernels=Kernels(rows=4, outputs=16, wide_row=256),
    base_ms=0.05,
    rates={
        "linear": (0.005, 0.4, 0.03, 0.02, 0.01, 0.0, 0.0, 0.002, 0.3, 0.5, 0.0, 0.0),
        "normalisation": (0.004, 0.5, 0.0, 0.2, 0.0),
    },
    seen={},
    spread=0.0,
    parallel_share=0.0,
    memory=(12e6, 1.0, 1.5, 1.0),
    memory_spread=0.0,
)
LENGTHS = (3, 8, 16, 23, 33, 64)


def structure(width: int, other: int, count: int) -> Structure:
    tokens = (0, 1)
    return Structure(
        operators=(
            Operator(kind="linear", sizes=((tokens,), ((width, 0),), ((other, 0),)), count=count),
            Operator(kind="linear", sizes=((tokens,), ((other, 0),), ((width, 0),)), count=count),
            Operator(kind="normalisation", sizes=((tokens,), ((width, 0),)), count=2 * count),
        ),
        live=((tokens, (width + other, 0)),),
        table_weights=512 * width,
        table_rows=512,
        matrix_weights=2 * width * other * count,
        other_weights=4 * width * count,
    )


def samples(noise: float, true: FittedPrices = TRUE) -> list[Sample]:
    draw = random.Random(3)
    found = []
    for number in range(18):
        made = structure(draw.randrange(48, 385, 8), draw.randrange(48, 1025, 8), draw.randint(1, 4))
        table = replace(true, seen={"linear": ((1, 9999),) * 3, "normalisation": ((1, 9999),) * 2})
        for length in LENGTHS:
            said = predict(table, made, length=length, file_bytes=made.weight_bytes(int8=True))
            found.append(
                Sample(
                    model=f"model {number}",
                    structure=made,
                    length=length,
                    latency_ms=said.latency_ms * (1 + draw.uniform(-noise, noise)),
                    peak_bytes=said.peak_memory_bytes,
                    file_bytes=made.weight_bytes(int8=True),
                )
            )
    return found


def worst(table: FittedPrices, asked: list[Sample]) -> float:
    return max(
        abs(predict(table, each.structure, length=each.length).latency_ms / each.latency_ms - 1) for each in asked
    )


def test_the_kernels_tile_and_rates_are_found_again() -> None:
    exact = samples(0.0)
    table = fitted(exact, source="a test", parallel_share=0.7)
    assert (table.kernels.rows, table.kernels.wide_row) == (4, 256)
    assert table.parallel_share == 0.7
    assert worst(table, exact) < 0.01
    assert table.spread == pytest.approx(0.02)
    assert table.memory_spread == pytest.approx(0.02)
    assert all(rate >= 0 for rates in table.rates.values() for rate in rates)


def test_blocks_and_paddings_of_kernels_are_found_where_there_are_some() -> None:
    padded = samples(0.0, replace(TRUE, kernels=Kernels(rows=4, outputs=16, inputs=32, wide_row=256)))
    assert fitted(padded, source="a test").kernels.inputs > 1
    rates = {**TRUE.rates, "linear": (0.005, 0.6, 0.0, 0.02, 0.01, 0.0, 0.0, 0.002, 0.3, 0.5, 0.0, 0.0)}
    blocks = samples(0.0, replace(TRUE, kernels=Kernels(rows=4, outputs=16, block=16, wide_row=256), rates=rates))
    table = fitted(blocks, source="a test")
    assert table.kernels.block == 16
    assert worst(table, blocks) < 0.02
    plain = fitted(samples(0.0), source="a test").kernels
    assert (plain.block, plain.inputs, plain.cache_bytes) == (0, 1, 0)


def test_the_weights_of_each_fixed_shape_are_found_in_the_peak() -> None:
    fixed = []
    for place, each in enumerate(samples(0.0)):
        shapes = 1 + place // len(LENGTHS) % 3
        more = (shapes - 1) * (1.5 * each.structure.matrix_weights + each.structure.activation_bytes(max(LENGTHS)))
        fixed.append(replace(each, shapes=shapes, peak_bytes=round(each.peak_bytes + more)))
    table = fitted(fixed, source="a test")
    unseen = structure(200, 640, 3)
    said = [predict(table, unseen, length=64, shapes=shapes).peak_memory_bytes for shapes in (1, 2, 3)]
    meant = 1.5 * unseen.matrix_weights + unseen.activation_bytes(64)
    assert [said[1] - said[0], said[2] - said[1]] == pytest.approx([meant, meant], rel=0.1)


def test_a_peak_that_is_off_by_a_piece_of_a_library_moves_no_other() -> None:
    exact = samples(0.0)
    heavier = {"model 2", "model 11"}
    odd = [replace(each, peak_bytes=each.peak_bytes + 4_000_000) if each.model in heavier else each for each in exact]
    table = fitted(odd, source="a test")
    for each in exact:
        if each.length == max(LENGTHS):
            said = predict(table, each.structure, length=each.length, file_bytes=each.file_bytes).peak_memory_bytes
            assert said == pytest.approx(each.peak_bytes, rel=0.02)


def test_noise_widens_the_interval_and_a_disturbed_sample_does_not_count() -> None:
    noisy = samples(0.04)
    disturbed = [*noisy[:-1], replace(noisy[-1], latency_ms=10 * noisy[-1].latency_ms)]
    table = fitted(disturbed, source="a test")
    assert 0.025 < table.spread < 0.06
    assert worst(table, samples(0.0)) < 0.06


def test_too_few_measurements_are_refused() -> None:
    with pytest.raises(InputError, match="5 measurements are too few"):
        fitted(samples(0.0)[:5], source="a test")
