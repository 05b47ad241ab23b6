"""Profiles: the built-in ones agree with what is known, and faulty ones are refused."""

from collections.abc import Callable
from pathlib import Path

import pytest

from toolchain.errors import InvalidFileError, UnknownNameError
from toolchain.profiles import Sourced, find_profile, load_profile, profile_names

OPERATIONS_PER_CYCLE = {"cortex-a53": 16, "cortex-a72": 16, "cortex-a76": 64}


def test_the_first_boards_are_there() -> None:
    assert profile_names() == ("raspberry-pi-3b-plus", "raspberry-pi-4", "raspberry-pi-5", "raspberry-pi-zero-2-w")


@pytest.mark.parametrize("name", profile_names())
def test_a_built_in_profile_is_called_as_its_file(name: str) -> None:
    assert load_profile(name).name == name


@pytest.mark.parametrize("name", profile_names())
def test_a_computed_peak_follows_from_core_and_clock(name: str) -> None:
    profile = load_profile(name)
    assert profile.emulation is not None
    expected = OPERATIONS_PER_CYCLE[profile.emulation.cpu] * profile.processor.clock_mhz.value / 1000
    assert profile.processor.int8_peak_gops.value == pytest.approx(expected, rel=0.05)


@pytest.mark.parametrize("name", profile_names())
def test_an_emulated_core_is_the_devices_own(name: str) -> None:
    profile = load_profile(name)
    assert profile.emulation is not None
    assert profile.emulation.cpu == profile.processor.core.value.lower()
    assert profile.emulation.ram_mb <= profile.memory.ram_mb.value


def test_only_the_pi_5_has_the_dot_product() -> None:
    with_it = [name for name in profile_names() if load_profile(name).processor.dot_product.value]
    assert with_it == ["raspberry-pi-5"]


def test_a_fact_keeps_its_confidence_and_source() -> None:
    clock = load_profile("raspberry-pi-4").processor.clock_mhz
    assert clock.model_dump() == {
        "value": 1500,
        "highest": 1800,
        "confidence": "R",
        "source": "survey of 2026-11: vendor's page; the upper end depends on revision and firmware",
    }
    assert isinstance(clock, Sourced)


def test_every_field_of_a_profile_is_described() -> None:
    described = (Path(__file__).parent.parent / "profiles" / "README.md").read_text(encoding="utf-8")
    for section, model in load_profile("raspberry-pi-5").model_dump().items():
        fields = [section] if not isinstance(model, dict) else [f"{section}.{field}" for field in model]
        for field in fields:
            assert f"`{field}`" in described


def test_a_profile_without_emulation_is_sound(toml_file: Callable[[str], Path]) -> None:
    text = find_profile("raspberry-pi-5").text
    assert load_profile(toml_file(text[: text.index("[emulation]")])).emulation is None


@pytest.mark.parametrize("cpu", ["max", "host"])
def test_a_cpu_that_is_no_devices_core_is_refused(toml_file: Callable[[str], Path], cpu: str) -> None:
    text = find_profile("raspberry-pi-5").text.replace('"cortex-a76"\nram_mb', f'"{cpu}"\nram_mb')
    with pytest.raises(InvalidFileError, match=r"emulation\.cpu: '\w+' is no device's core"):
        load_profile(toml_file(text))


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


def test_an_unknown_profile_offers_the_nearest() -> None:
    with pytest.raises(UnknownNameError, match="did you mean raspberry-pi-4"):
        load_profile("rasberry-pi-4")
