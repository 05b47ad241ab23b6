"""A profile knows its clusters, and every field of it is described."""

from pathlib import Path

import pytest

from edgewright.errors import UnknownNameError
from edgewright.specs.profiles import Profile, facts_of, load_profile
from edgewright.specs.settings_reference import settings


def test_a_process_pinned_to_slow_cores_is_on_a_slower_device() -> None:
    phone = load_profile("pixel-8")
    assert phone.on_cluster("cortex-x3") is phone
    little = phone.on_cluster("Cortex-A510")
    assert (little.processor.cores.value, little.processor.int8_peak_gops.value) == (4, 55)
    assert little.memory == phone.memory
    with pytest.raises(UnknownNameError, match=r"no cluster of pixel-8 'Cortex-A55'.*Cortex-A510"):
        phone.on_cluster("Cortex-A55")


def test_every_field_of_a_profile_is_described_and_readers_are_reported_where() -> None:
    described = {setting.place for setting in settings(model=Profile)}
    for section, values in load_profile("raspberry-pi-5").model_dump().items():
        fields = [section] if not isinstance(values, dict) else [f"{section}.{field}" for field in values]
        assert set(fields) - {"processor.slower"} <= described
    readme = (Path(__file__).parents[3] / "profiles" / "README.md").read_text(encoding="utf-8")
    assert "`edgewright profiles settings`" in readme


def test_facts_of_all_sections_are_listed_with_their_places() -> None:
    facts = dict(facts_of(load_profile("pixel-8")))
    assert facts["memory.ram_mb"].value == load_profile("pixel-8").memory.ram_mb.value
    assert "processor.slower.0.core" in facts
