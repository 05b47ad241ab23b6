"""What cannot be true of a device is refused with its place; the built-in profiles contradict nothing."""

from collections.abc import Callable
from pathlib import Path

import pytest

from edgewright.errors import InvalidFileError
from edgewright.specs.profiles import contradictions, find_profile, load_profile, profile_names
from tests.specs.profiles.faults import PI_5, faults_of


@pytest.mark.parametrize("name", profile_names())
def test_a_built_in_profile_is_called_as_its_file_and_contradicts_nothing(name: str) -> None:
    profile = load_profile(name)
    assert profile.name == name
    assert list(contradictions(profile)) == []


@pytest.mark.parametrize(
    ("written", "instead", "place", "says"),
    [
        ("value = 4096, highest", "value = 8192, highest", None, ""),
        ("4096, highest = 16384", "4096, highest = 1024", "memory.ram_mb", "highest is 1024, below value, 4096"),
        ('"Cortex-A76", conf', '"Cortex-A77", conf', "processor.core", "'Cortex-A77' is no core Edgewright knows"),
        ("dot_product = { value = true", "dot_product = { value = false", "processor.dot_product", "A76 has it"),
        ("fp16 = { value = true", "fp16 = { value = false", "processor.fp16", "is false, but every Cortex-A76 has it"),
        ("{ value = 2400,", "{ value = 1200,", "processor.int8_peak_gops", "154 does not follow from 64 operations"),
        ("{ value = 2400,", "{ value = 2400000,", "processor.clock_mhz", "is it kHz?"),
        ("l1_data_kib = { value = 64", "l1_data_kib = { value = 600", "caches.l1_data_kib", "above caches.l2_kib, 512"),
        ("l3_kib = { value = 2048", "l3_kib = { value = 256", "caches.l2_kib", "512 is above caches.l3_kib, 256"),
        (
            "default_threads = { value = 1",
            "default_threads = { value = 9",
            "preferences.default_threads",
            "the 4 cores",
        ),
        ("limit_c = { value = 80", "limit_c = { value = 800", "thermal.limit_c", "800 °C is more than any device"),
        ('cpu = "cortex-a76"', 'cpu = "cortex-a72"', "emulation.cpu", "does not stand for a Cortex-A76"),
        ("ram_mb = 1024", "ram_mb = 65536", "emulation.ram_mb", "above memory.ram_mb, 16384"),
        ("5.2, highest = 6.0", "5200, highest = 6000", "memory.copy_bandwidth_gb_s", "6000 GB/s is more"),
        ('"asimddp", ', "", "processor.features", "its flag is asimddp"),
    ],
)
def test_what_cannot_be_true_is_reported_with_its_place(
    toml_file: Callable[[str], Path], written: str, instead: str, place: str | None, says: str
) -> None:
    assert PI_5.count(written) == 1
    text = PI_5.replace(written, instead)
    if place is None:
        assert load_profile(toml_file(text))
        return
    faults = dict(faults_of(text, toml_file))
    assert says in faults[place]


def test_more_memory_than_there_is_and_a_fast_slow_cluster_are_refused(toml_file: Callable[[str], Path]) -> None:
    zero = find_profile("raspberry-pi-zero-2-w").text
    faults = dict(faults_of(zero.replace("value = 427", "value = 600"), toml_file))
    assert faults == {"memory.usable_mb": "600 is above memory.ram_mb, 512; Linux cannot see more than there is"}
    phone = find_profile("pixel-8").text
    little = phone[phone.rindex("[[processor.slower]]") : phone.index("[memory]")]
    swapped = phone.replace(little, "").replace("[processor]", "[processor]\n" + little.partition("\n")[2], 1)
    assert faults_of(swapped, toml_file)[0][1].startswith("is not TOML")  # a key twice is reported as such
    faults = dict(
        faults_of(phone.replace("value = 2910", "value = 1000").replace("value = 373", "value = 128"), toml_file)
    )
    assert faults["processor.slower[0]"] == "Cortex-A715 is faster than Cortex-X3; the fastest cluster comes first"


def test_all_contradictions_are_reported_at_once_with_their_lines(toml_file: Callable[[str], Path]) -> None:
    text = PI_5.replace("dot_product = { value = true", "dot_product = { value = false").replace("= 2400,", "= 1200,")
    with pytest.raises(InvalidFileError) as caught:
        load_profile(toml_file(text))
    lines = [place.partition(",")[0] for place, _ in caught.value.faults]
    assert len(lines) == 3  # the flag is still among the features
    assert all(line.startswith("line ") for line in lines)
