"""What parts cost, estimated from a profile or priced as the device was calibrated."""

from dataclasses import replace

import pytest

from edgewright.cost.exported import structure_for
from edgewright.cost.fitted_prices import FittedPrices
from edgewright.cost.part_costs import CostTable, PricedLayer
from edgewright.cost.part_estimates import from_prices, from_profile
from edgewright.cost.terms import TERMS, Kernels
from edgewright.devices.timed_models import Shape
from edgewright.modality.text_spec import TextInputSpec
from edgewright.specs.profiles import load_profile
from edgewright.specs.structure import SIZES


def estimate(device: str = "raspberry-pi-4") -> CostTable:
    return from_profile(load_profile(device), PricedLayer(length=64, width=384, head_width=32, heads=12, neurons=1536))


def test_an_estimate_rises_with_size_and_nothing_takes_no_time() -> None:
    costs = estimate()
    assert costs.attention(0) == costs.feed_forward(0) == 0
    heads = [costs.attention(count) for count in range(13)]
    neurons = [costs.feed_forward(count) for count in range(0, 1537, 48)]
    assert heads == sorted(heads)
    assert neurons == sorted(neurons)
    assert costs.fixed == 0


def test_a_faster_core_is_estimated_faster() -> None:
    assert estimate("raspberry-pi-5").feed_forward(1536) < estimate("raspberry-pi-3b-plus").feed_forward(1536)


def test_an_estimate_is_the_arithmetic_at_half_the_peak_and_a_constant_for_each_operator() -> None:
    profile = load_profile("raspberry-pi-4")
    arithmetic_ms = 2 * 64 * 2 * 384 * 1536 / (profile.processor.int8_peak_gops.value * 1e6 * 0.5)
    assert estimate().feed_forward(1536) == pytest.approx(arithmetic_ms + 5 * 0.004)


def test_calibrated_prices_price_each_part_as_they_price_the_whole() -> None:
    rates = {kind: (0.001 * place, *[0.1] * (len(TERMS[kind]) - 1)) for place, kind in enumerate(TERMS, start=1)}
    prices = FittedPrices(
        source="calibrated on a test",
        kernels=Kernels(rows=4, outputs=16),
        base_ms=0.5,
        rates=rates,
        seen={kind: ((0, 1 << 40),) * len(SIZES[kind]) for kind in rates},
        spread=0.02,
        parallel_share=0.0,
        memory=(0.0, 0.0, 0.0, 0.0),
        memory_spread=0.02,
    )
    made = from_prices(prices, PricedLayer(length=24, width=96, head_width=32, heads=3, neurons=128))
    assert made.source == "calibrated on a test"
    none, one, two = (
        sum(prices.cost(structure_for(shape.module(padded=False), TextInputSpec(max_length=64)), 24).by_limit.values())
        for shape in (Shape(width=96, layers=layers) for layers in ((), ((3, 32, 128),), ((3, 32, 128), (3, 32, 128))))
    )
    assert made.attention(3) + made.feed_forward(128) == pytest.approx(two - one, rel=0.01)
    assert one - none == pytest.approx(two - one, rel=0.01)
    assert made.attention(1) < made.attention(2) < made.attention(3)


def test_gated_neurons_are_dearer_as_each_has_a_row_more() -> None:
    plain = PricedLayer(length=64, width=384, head_width=32, heads=2, neurons=1536)
    gated = PricedLayer(length=64, width=384, head_width=32, heads=2, neurons=1536, gated=True)
    one, other = (from_profile(load_profile("raspberry-pi-4"), each) for each in (plain, gated))
    assert other.feed_forward(1536) > 1.3 * one.feed_forward(1536)
    assert other.attention(2) == one.attention(2)


def test_heads_that_share_their_keys_and_values_are_cheaper() -> None:
    single = PricedLayer(length=1, width=384, head_width=32, heads=12, neurons=1536)
    shared = replace(single, queries=3)
    one, other = (from_profile(load_profile("raspberry-pi-4"), each) for each in (single, shared))
    constant = 9 * 0.004
    assert (other.attention(12) - constant) / (one.attention(12) - constant) == pytest.approx((2 + 2 / 3) / 4, rel=0.01)
    assert other.feed_forward(1536) == one.feed_forward(1536)
