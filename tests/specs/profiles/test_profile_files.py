"""Reading profiles: the built-in ones are there, and one may extend another."""

from collections.abc import Callable
from pathlib import Path

import pytest

from edgewright.errors import InvalidFileError, UnknownNameError
from edgewright.specs.profiles import find_profile, load_profile, profile_names


def test_the_boards_phones_and_hosts_are_there() -> None:
    assert profile_names() == (
        "android-mid-range",
        *("jetson-agx-orin", "jetson-nano", "jetson-orin-nano", "jetson-xavier-nx"),
        "pixel-8",
        *("raspberry-pi-3b-plus", "raspberry-pi-4", "raspberry-pi-5", "raspberry-pi-zero-2-w"),
        "snapdragon-8-gen-2",
        "x86-64",
    )


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


def test_a_profile_without_emulation_is_sound(toml_file: Callable[[str], Path]) -> None:
    text = find_profile("raspberry-pi-5").text
    assert load_profile(toml_file(text[: text.index("[emulation]")])).emulation is None


def test_an_unknown_profile_offers_the_nearest() -> None:
    with pytest.raises(UnknownNameError, match="did you mean raspberry-pi-4"):
        load_profile("rasberry-pi-4")
