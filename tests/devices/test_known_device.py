from typing import Any

import pytest

from edgewright.devices.known_device import Match, identify, match_with, measured_profile, profile_for, ram_mb, warnings
from edgewright.errors import InputError
from edgewright.specs.profiles import load_profile, profile_names
from tests.recordings.record import recorded

GIB = 1 << 30


def likely(facts: dict[str, Any]) -> tuple[Match, ...]:
    return identify(facts, [load_profile(name) for name in profile_names()])


@pytest.mark.parametrize("board", ["raspberry-pi-zero-2-w", "raspberry-pi-3b-plus", "raspberry-pi-4", "raspberry-pi-5"])
def test_a_board_is_known_by_its_firmwares_name_and_differs_in_nothing(board: str) -> None:
    (match,) = likely(recorded(board))
    assert (match.profile, match.sure, match.differences) == (board, True, ())


@pytest.mark.parametrize(
    ("core", "first"), [("a72", "raspberry-pi-4"), ("a76", "raspberry-pi-5"), ("a53", "raspberry-pi-3b-plus")]
)
def test_a_board_whose_firmware_says_nothing_is_known_by_its_cores_and_memory(core: str, first: str) -> None:
    matches = likely({**recorded(f"emulated-cortex-{core}"), "board": "linux,dummy-virt"})
    assert (matches[0].profile, matches[0].sure) == (first, False)
    assert not any("firmware" in difference for difference in matches[0].differences)


def test_a_zero_2_w_is_told_from_a_3b_plus_of_the_same_cores_by_its_memory_and_clock() -> None:
    facts = {**recorded("raspberry-pi-zero-2-w"), "board": None}
    zero, other = likely(facts)
    assert (zero.profile, zero.differences) == ("raspberry-pi-zero-2-w", ())
    assert other.profile == "raspberry-pi-3b-plus"
    assert other.differences == (
        "it clocks at most 1000 MHz, 29 % below the 1400 MHz of the profile",
        "it has 512 MB of memory, not 1 GB",
    )


@pytest.mark.parametrize(
    ("changed", "difference"),
    [
        ({"clock_max_mhz": 1200}, "it clocks at most 1200 MHz, 20 % below the 1500 MHz of the profile"),
        ({"clock_limit_mhz": 1000}, "it clocks at most 1000 MHz, 33 % below the 1500 MHz of the profile"),
        (
            {"clock_max_mhz": 2100, "clock_limit_mhz": 2100},
            "it clocks up to 2100 MHz, above the 1800 MHz of the profile: it is over-clocked",
        ),
        ({"sold_ram_bytes": GIB}, "it has 1 GB of memory, not 2 GB"),
        ({"sold_ram_bytes": None, "ram_bytes": 0.9 * GIB}, "it has 1 GB of memory, not 2 GB"),
        ({"cores": 3}, "3 cores are on, not 4"),
        ({"cores": 1}, "1 core is on, not 4"),
        ({"caches": {"l2_kib": 512}}, "its L2 cache has 512 KiB, not 1024"),
        (
            {"cpu_features": ["asimd", "asimddp"]},
            "it has the int8 dot product (asimddp), which the profile does not",
        ),
        ({"core_kinds": {"Cortex-A53": 4}}, "its cores are Cortex-A53, not Cortex-A72"),
    ],
)
def test_each_difference_from_the_profile_is_told_in_words(changed: dict[str, Any], difference: str) -> None:
    (match,) = likely({**recorded("raspberry-pi-4"), **changed})
    assert (match.profile, match.differences) == ("raspberry-pi-4", (difference,))


def test_a_missing_dot_product_is_told_but_not_of_a_32_bit_kernel_which_lists_no_such_thing() -> None:
    facts = {**recorded("raspberry-pi-5"), "cpu_features": ["asimd", "fphp", "asimdhp"]}
    (match,) = likely(facts)
    assert match.differences == ("the int8 dot product (asimddp) is missing",)
    (match,) = likely({**facts, "arch": "armv7l"})
    assert match.differences == ()


def test_a_machine_without_a_profile_is_like_none_and_all_is_told_when_it_claims_to_be_one() -> None:
    facts = recorded("jetson-orin-nano")
    assert likely({**facts, "core_kinds": {"Cortex-A35": 6}}) == ()
    claimed = match_with(facts, load_profile("raspberry-pi-5"))
    assert claimed.differences[:3] == (
        "its firmware calls it NVIDIA Jetson Orin Nano Developer Kit, not Raspberry Pi 5 Model B",
        "its cores are Cortex-A78AE, not Cortex-A76",
        "6 cores are on, not 4",
    )


def test_a_machine_of_unlike_cores_is_known_by_all_of_them() -> None:
    phone = load_profile("pixel-8").processor
    kinds = {each.core.value: each.cores.value for each in phone.clusters}
    match, *_ = likely({"core_kinds": kinds, "cores": sum(kinds.values())})
    assert (match.profile, match.differences) == ("pixel-8", ())
    fewer, *_ = likely({"core_kinds": kinds, "cores": 4})
    assert fewer.differences == (f"4 cores are on, not {sum(kinds.values())}",)


def test_a_machine_that_tells_nothing_differs_in_nothing() -> None:
    nothing = dict.fromkeys(recorded("raspberry-pi-4"))
    assert likely(nothing) == ()
    assert match_with(nothing, load_profile("raspberry-pi-4")).differences == ()
    assert warnings(nothing) == ()


@pytest.mark.parametrize(
    ("seen_mb", "sold_mb"), [(427, 512), (906, 1024), (1849, 2048), (3796, 4096), (7620, 8192), (11600, 12288)]
)
def test_memory_is_told_as_it_is_sold(seen_mb: int, sold_mb: int) -> None:
    assert ram_mb({"ram_bytes": seen_mb << 20}) == sold_mb


def test_a_board_that_its_firmware_slows_down_is_warned_of() -> None:
    said = warnings(recorded("raspberry-pi-3b-plus"))
    assert said == (
        "it is limited at this moment: soft temperature limit",
        "its firmware runs 1200 MHz while the kernel says 1400 MHz",
    )


@pytest.mark.parametrize(
    ("changed", "warning"),
    [
        ({"arch": "armv7l"}, "its system is armv7l: only tflite is made for 32-bit ARM; install a 64-bit system for"),
        (
            {"word_bits": 32},
            "its programs 32: executorch, which brings its own C library, and tflite run there; litert and onnx want a "
            "64-bit system",
        ),
        (
            {"musl": "musl 1.2.4", "libc": None},
            "its C library is musl 1.2.4: executorch brings its own; the others need glibc",
        ),
        (
            {"libc": "glibc 2.24"},
            "glibc 2.24 is older than 2.27, which litert, onnx and tflite need; executorch brings its own",
        ),
        ({"governor": "ondemand"}, "its governor is ondemand"),
        ({"throttling": {"now": [], "since_start": ["under-voltage"]}}, "limited since it started: under-voltage"),
        ({"swap_used_bytes": 3_000_000}, "it swaps: 3 MB"),
    ],
)
def test_a_system_or_state_that_spoils_a_measurement_is_warned_of(changed: dict[str, Any], warning: str) -> None:
    (said,) = warnings({**recorded("raspberry-pi-5"), **changed})
    assert warning in said


def test_a_phone_is_known_by_its_unlike_cores_and_warned_of() -> None:
    (match,) = likely(recorded("pixel-8"))
    assert (match.profile, match.differences) == ("pixel-8", ())
    told = list(warnings(recorded("pixel-8")))
    assert any("it is Android 14" in each for each in told)
    assert any("throttled for its heat at this moment: moderate" in each for each in told)


@pytest.mark.parametrize(
    ("address", "profile", "found"),
    [
        ("local:", None, "x86-64"),
        ("emulated://raspberry-pi-4", None, "raspberry-pi-4"),
        ("ssh://pi@board", "raspberry-pi-5", "raspberry-pi-5"),
    ],
)
def test_a_target_is_calibrated_for_a_profile(address: str, profile: str | None, found: str) -> None:
    assert profile_for(address, profile) == found


def test_a_machine_reached_by_ssh_needs_its_profile_named() -> None:
    with pytest.raises(InputError, match="may be any device; name its profile with --profile"):
        profile_for("ssh://pi@board", None)


@pytest.mark.parametrize(
    ("address", "found"),
    [("local:", "x86-64"), ("emulated://raspberry-pi-4", "raspberry-pi-4"), ("ssh://pi@board", "raspberry-pi-5")],
)
def test_a_measurement_on_a_board_is_compared_with_the_profile_its_bundle_is_for(address: str, found: str) -> None:
    assert measured_profile(address, "raspberry-pi-5") == found
