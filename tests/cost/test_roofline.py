"""Roofs: each operator below them, by its own intensity."""

import pytest

from edgewright.cost.exported import structure_for
from edgewright.cost.nominal_prices import Roofline
from edgewright.cost.pricing import predict
from edgewright.cost.roofline import roof_of
from edgewright.devices.timed_models import Shape
from edgewright.modality.text_spec import TextInputSpec
from edgewright.specs.profiles import load_profile

STRUCTURE = structure_for(Shape(width=192, layers=((3, 32, 768),)).module(padded=False), TextInputSpec(max_length=64))


@pytest.mark.parametrize("name", ["raspberry-pi-zero-2-w", "raspberry-pi-5", "pixel-8"])
def test_by_facts_alone_no_operator_is_above_its_roof_and_all_add_up(name: str) -> None:
    profile = load_profile(name)
    prices = Roofline(profile=profile, precision="int8")
    roof = roof_of(profile, prices, STRUCTURE, length=32, precision="int8")
    whole = predict(prices, STRUCTURE, length=32).latency_ms
    assert 0.5 * whole < sum(point.ms for point in roof.points) <= 1.001 * whole
    for point in roof.points:
        assert point.gops <= max(roof.int8_gops, roof.float_gops)
    assert {"linear", "matmul", "softmax"} <= {point.kind for point in roof.points}


def test_products_do_more_with_each_byte_than_norms() -> None:
    profile = load_profile("raspberry-pi-4")
    roof = roof_of(profile, Roofline(profile=profile, precision="int8"), STRUCTURE, length=32, precision="int8")
    linear, norm = (
        min(point.intensity for point in roof.points if point.kind == kind) for kind in ("linear", "normalisation")
    )
    assert linear > 5 * norm
    assert roof.bandwidth_gb_s == pytest.approx(4.4)
    assert roof.float_gops == pytest.approx(12)
