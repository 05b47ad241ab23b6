"""Profiles: the built-in ones agree with what is known, and faulty ones are refused."""

from collections.abc import Callable
from pathlib import Path

import pytest

from edgewright.errors import InvalidFileError, UnknownNameError
from edgewright.specs.profiles import Sourced, contradictions, find_profile, load_profile, profile_names

PI_5 = find_profile("raspberry-pi-5").text


def faults_of(text: str, toml_file: Callable[[str], Path]) -> list[tuple[str, str]]:
    """(place without its line, sentence) of every fault that is told."""
    with pytest.raises(InvalidFileError) as caught:
        load_profile(toml_file(text))
    return [(place.rpartition(", ")[2], what) for place, what in caught.value.faults]


def test_the_boards_phones_and_hosts_are_there() -> None:
    assert profile_names() == (
        "android-mid-range",
        *("jetson-agx-orin", "jetson-nano", "jetson-orin-nano", "jetson-xavier-nx"),
        "pixel-8",
        *("raspberry-pi-3b-plus", "raspberry-pi-4", "raspberry-pi-5", "raspberry-pi-zero-2-w"),
        "snapdragon-8-gen-2",
        "x86-64",
    )


@pytest.mark.parametrize("name", profile_names())
def test_a_built_in_profile_is_called_as_its_file_and_contradicts_nothing(name: str) -> None:
    profile = load_profile(name)
    assert profile.name == name
    assert list(contradictions(profile)) == []


def test_the_dot_product_is_where_the_cores_have_it() -> None:
    without = [name for name in profile_names() if not load_profile(name).processor.dot_product.value]
    assert without == [
        *("jetson-nano", "jetson-xavier-nx", "raspberry-pi-3b-plus", "raspberry-pi-4", "raspberry-pi-zero-2-w"),
        "x86-64",
    ]


def test_unlike_cores_are_clusters_of_which_the_fastest_is_the_default() -> None:
    processor = load_profile("snapdragon-8-gen-2").processor
    assert [(each.core.value, each.cores.value) for each in processor.clusters] == [
        ("Cortex-X3", 1),
        ("Cortex-A715", 2),
        ("Cortex-A710", 2),
        ("Cortex-A510", 3),
    ]
    assert processor.core.value == "Cortex-X3"


def test_a_process_pinned_to_slow_cores_is_on_a_slower_device() -> None:
    phone = load_profile("pixel-8")
    assert phone.on_cluster("cortex-x3") is phone
    little = phone.on_cluster("Cortex-A510")
    assert (little.processor.cores.value, little.processor.int8_peak_gops.value) == (4, 55)
    assert little.memory == phone.memory
    with pytest.raises(UnknownNameError, match=r"no cluster of pixel-8 'Cortex-A55'.*Cortex-A510"):
        phone.on_cluster("Cortex-A55")


def test_a_profile_has_what_it_extends_but_for_what_it_says_itself(toml_file: Callable[[str], Path]) -> None:
    text = """
name = "my-pi"
extends = "raspberry-pi-5"
[processor]
clock_mhz = { value = 2000, confidence = "R", source = "config.txt" }
int8_peak_gops = { value = 128, confidence = "C", source = "64 operations a cycle" }
"""
    mine, theirs = load_profile(toml_file(text)), load_profile("raspberry-pi-5")
    assert (mine.name, mine.title, mine.processor.clock_mhz.value) == ("my-pi", theirs.title, 2000)
    assert mine.processor.clock_mhz.source == "config.txt"
    assert mine.memory == theirs.memory
    assert mine.processor.core == theirs.processor.core


def test_a_profile_may_extend_a_file_beside_it_but_not_itself(tmp_path: Path) -> None:
    (tmp_path / "base.toml").write_text('name = "base"\nextends = "raspberry-pi-4"\ntitle = "Base"', encoding="utf-8")
    (tmp_path / "mine.toml").write_text('name = "mine"\nextends = "base.toml"', encoding="utf-8")
    assert load_profile(tmp_path / "mine.toml").title == "Base"
    (tmp_path / "base.toml").write_text('name = "base"\nextends = "mine.toml"', encoding="utf-8")
    with pytest.raises(InvalidFileError, match=r"extends: leads back to"):
        load_profile(tmp_path / "mine.toml")
    (tmp_path / "mine.toml").write_text('name = "mine"\nextends = "rasberry-pi-4"', encoding="utf-8")
    with pytest.raises(UnknownNameError, match="did you mean raspberry-pi-4"):
        load_profile(tmp_path / "mine.toml")


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
def test_what_cannot_be_true_is_told_with_its_place(
    toml_file: Callable[[str], Path], written: str, instead: str, place: str | None, says: str
) -> None:
    assert PI_5.count(written) == 1
    text = PI_5.replace(written, instead)
    if place is None:
        assert load_profile(toml_file(text))
        return
    told = dict(faults_of(text, toml_file))
    assert says in told[place]


def test_more_memory_than_there_is_and_a_fast_slow_cluster_are_refused(toml_file: Callable[[str], Path]) -> None:
    zero = find_profile("raspberry-pi-zero-2-w").text
    told = dict(faults_of(zero.replace("value = 427", "value = 600"), toml_file))
    assert told == {"memory.usable_mb": "600 is above memory.ram_mb, 512; Linux cannot see more than there is"}
    phone = find_profile("pixel-8").text
    little = phone[phone.rindex("[[processor.slower]]") : phone.index("[memory]")]
    swapped = phone.replace(little, "").replace("[processor]", "[processor]\n" + little.partition("\n")[2], 1)
    assert faults_of(swapped, toml_file)[0][1].startswith("is not TOML")  # a key twice is told as such
    told = dict(
        faults_of(phone.replace("value = 2910", "value = 1000").replace("value = 373", "value = 128"), toml_file)
    )
    assert told["processor.slower[0]"] == "Cortex-A715 is faster than Cortex-X3; the fastest cluster comes first"


def test_all_contradictions_are_told_at_once_with_their_lines(toml_file: Callable[[str], Path]) -> None:
    text = PI_5.replace("dot_product = { value = true", "dot_product = { value = false").replace("= 2400,", "= 1200,")
    with pytest.raises(InvalidFileError) as caught:
        load_profile(toml_file(text))
    lines = [place.partition(",")[0] for place, _ in caught.value.faults]
    assert len(lines) == 3  # the flag is still among the features
    assert all(line.startswith("line ") for line in lines)


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
    described = (Path(__file__).parents[2] / "profiles" / "README.md").read_text(encoding="utf-8")
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
