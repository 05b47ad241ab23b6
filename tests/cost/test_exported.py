"""What a model's parts cost more in float, by a profile's facts."""

from pathlib import Path

import pytest

from edgewright.cost.exported import slower_in_float
from edgewright.runtimes.subject import PLACE, Subject
from edgewright.specs.profiles import load_profile
from tests import artifacts, tiny
from tests.runtimes.test_images import subject_of


def slower(subject: Subject, device: str) -> dict[str, float]:
    places = [f"{PLACE}.{name}" for name in subject.parts()]
    found = slower_in_float(subject.module(), subject.spec, places, load_profile(device))
    assert list(found) != []
    assert set(found) == set(places)
    return {name.removeprefix(f"{PLACE}."): ms for name, ms in found.items()}


def test_a_large_matrix_costs_more_in_float_than_a_small_one_and_a_look_up_next_to_nothing() -> None:
    found = slower(Subject(model=tiny.teacher().model, spec=artifacts.FORM), "raspberry-pi-5")
    assert found["encoder.layers.0.query_key_value"] > found["encoder.layers.0.attention_output"] > 0
    assert found["encoder.layers.1.up"] == pytest.approx(found["encoder.layers.0.up"])
    assert found["encoder.tokens"] < 0.1 * found["encoder.layers.0.query_key_value"]


def test_parts_of_nets_are_priced_too(tmp_path: Path) -> None:
    found = slower(subject_of(tmp_path, "resnet-basic"), "raspberry-pi-4")
    assert min(found.values()) > 0
