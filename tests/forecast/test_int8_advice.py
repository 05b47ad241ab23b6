"""Whether int8 is worth it follows from what the device's core does with bytes, and from what stays float."""

from types import SimpleNamespace
from typing import Any

import pytest

from edgewright.cost.expected import PricedArtifact
from edgewright.cost.exported import structure_for
from edgewright.devices.timed_models import Shape
from edgewright.forecast.int8_advice import Int8Advice, int8_advice
from edgewright.modality.text_spec import TextInputSpec
from edgewright.specs.profiles import load_profile

pytestmark = pytest.mark.usefixtures("own_places")


def advised(device: str, *, width: int = 384, neurons: int = 1536) -> Int8Advice:
    module = Shape(width=width, layers=((4, 32, neurons),) * 3).module(padded=False)
    structure = structure_for(module, TextInputSpec(max_length=64))
    subject = PricedArtifact(
        runtime="executorch", structure=structure, lengths=(), file_bytes=None, planned_length=64, notes=()
    )
    predicted: Any = SimpleNamespace(runtime="executorch", threads=1, length=32)
    return int8_advice(load_profile(device), predicted, subject)


def test_a_core_that_multiplies_bytes_by_fours_gains_more_and_is_told_so() -> None:
    without, with_product = advised("raspberry-pi-4"), advised("raspberry-pi-5")
    assert with_product.faster > without.faster > 1
    assert "multiplies bytes four at a time" in " ".join(with_product.sentences)
    assert "has no dot product of bytes" in " ".join(without.sentences)
    assert with_product.faster == pytest.approx(with_product.float_ms / with_product.int8_ms)


def test_both_are_by_facts_where_neither_was_calibrated_and_what_stays_float_is_told() -> None:
    found = advised("raspberry-pi-5")
    assert "facts" in found.source
    assert 0 < found.float_share < 1
    assert f"{100 * found.float_share:.0f} % of the int8 latency is in what stays float" in " ".join(found.sentences)


def test_of_small_operators_little_is_left_to_gain() -> None:
    small, large = advised("raspberry-pi-4", width=32, neurons=32), advised("raspberry-pi-4")
    assert small.faster < large.faster
    assert small.float_share > large.float_share
