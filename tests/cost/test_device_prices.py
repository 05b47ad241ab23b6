"""What was measured of a device, and what was learned since."""

import pytest

from edgewright.cost.device_prices import Corrected
from edgewright.cost.pricing import predict
from tests.cost.test_pricing import TABLE, linear, structure


def test_a_correction_makes_all_of_a_latency_dearer_and_is_named() -> None:
    model = structure(linear(256, 256))
    plain = predict(TABLE, model, length=16)
    found = predict(Corrected(prices=TABLE, factor=1.2, measurements=3), model, length=16)
    assert found.latency_ms == pytest.approx(1.2 * plain.latency_ms)
    assert found.peak_memory_bytes == plain.peak_memory_bytes
    assert found.source == "a test; times 1.20 by 3 measurements since"
