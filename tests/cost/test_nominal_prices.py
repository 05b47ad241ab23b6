"""Prices by a profile's facts alone."""

from edgewright.cost.nominal_prices import Roofline
from edgewright.cost.pricing import predict
from edgewright.specs.profiles import load_profile
from tests.cost.test_pricing import linear, structure


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
