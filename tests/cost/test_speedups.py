"""How many times as fast an artifact is predicted to be on a profile's core."""

import math

import pytest

from edgewright.cost.nominal_prices import Roofline
from edgewright.cost.pricing import predict
from edgewright.cost.speedups import predicted_speedup, times
from tests.report.test_speedup_rows import PROFILE, STUDENT, TEACHER, manifest


def test_a_prediction_is_the_quotient_of_both_and_its_interval_their_factors_in_quadrature() -> None:
    built = manifest()
    found = predicted_speedup(built, built.artifacts[0], PROFILE)
    slow = predict(Roofline(profile=PROFILE, precision="float"), TEACHER, length=12)
    fast = predict(Roofline(profile=PROFILE, precision="int8"), STUDENT, length=14)
    assert found.value == pytest.approx(slow.latency_ms / fast.latency_ms)
    assert found.low is not None
    assert found.high is not None
    off = 2 ** math.sqrt(2)  # facts alone are off by a factor of 2 either way
    assert (found.value / found.low, found.high / found.value) == (pytest.approx(off), pytest.approx(off))
    assert (found.how, found.core, found.profile) == ("predicted", "Cortex-A72", "raspberry-pi-4")
    assert "the facts of raspberry-pi-4 alone" in found.source


def test_ratios_have_one_decimal_until_a_hundred() -> None:
    assert [times(each) for each in (0.96, 4.21, 11.7, 99.4, 99.97, 123.4)] == [
        *("1.0×", "4.2×", "11.7×", "99.4×", "100×", "123×"),
    ]
