"""The terms of an operator: a kernel pays for whole tiles."""

import pytest

from edgewright.cost.pricing import predict
from edgewright.cost.terms import TERMS, Kernels, terms
from tests.cost.test_pricing import TABLE, linear, structure


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
