"""A fact has a value, a confidence and a source, and keeps them."""

from collections.abc import Callable
from pathlib import Path

import pytest

from edgewright.errors import InvalidFileError
from edgewright.specs.profiles import Sourced, find_profile, load_profile


def test_a_fact_keeps_its_confidence_and_source() -> None:
    clock = load_profile("raspberry-pi-4").processor.clock_mhz
    assert clock.model_dump() == {
        "value": 1500,
        "highest": 1800,
        "confidence": "R",
        "source": "survey of 2026-11: vendor's page; the upper end depends on revision and firmware",
    }
    assert isinstance(clock, Sourced)


def test_a_fact_without_source_or_with_a_false_mark_is_refused(toml_file: Callable[[str], Path]) -> None:
    text = find_profile("raspberry-pi-5").text
    text = text.replace('cores = { value = 4, confidence = "R",', 'cores = { value = 4, confidence = "X",')
    text = text.replace(
        'fp16 = { value = true, confidence = "R", source = ', 'fp16 = { value = true, confidence = "R", from = '
    )
    with pytest.raises(InvalidFileError) as caught:
        load_profile(toml_file(text))
    assert [place.partition(", ")[2] for place, _ in caught.value.faults] == [
        "processor.cores.confidence",
        "processor.fp16.source",
        "processor.fp16.from",
    ]
