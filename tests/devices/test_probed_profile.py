"""A profile of a machine that was asked what it is: from recordings of real ones, and of this one."""

import json
from pathlib import Path

import pytest

from edgewright.cli.main import main
from edgewright.devices.probed_profile import probed
from edgewright.errors import InputError
from edgewright.specs.profiles import load_profile
from edgewright.targets.facts import MACHINE

RECORDINGS = Path(__file__).parents[1] / "recordings"


def recorded(board: str) -> dict[str, object]:
    """The facts that a recorded machine gives."""
    said = {path.stem: path.read_text(encoding="utf-8") for path in (RECORDINGS / board).glob("*.txt")}
    found = {}
    for name, fact in MACHINE.items():
        words = "".join(each if each.isalnum() else "-" for each in " ".join(fact.argv))
        key = "-".join(filter(None, words.split("-")))
        found[name] = fact.parse(said.get(key, ""))
    return found


def test_a_recorded_board_extends_the_profile_with_its_core(tmp_path: Path) -> None:
    made = probed(recorded("raspberry-pi-4"), address="ssh://pi@board")
    file = tmp_path / "board.toml"
    file.write_text(made.text, encoding="utf-8")
    profile = load_profile(file)
    assert profile.extends == "raspberry-pi-4"
    assert profile.title.startswith("Raspberry Pi 4 Model B")
    assert (profile.processor.clock_mhz.value, profile.processor.clock_mhz.confidence) == (1500, "R")
    assert profile.processor.int8_peak_gops.value == 24
    assert profile.memory.copy_bandwidth_gb_s == load_profile("raspberry-pi-4").memory.copy_bandwidth_gb_s


@pytest.mark.parametrize(
    ("board", "like"),
    [("emulated-cortex-a53", "raspberry-pi-zero-2-w"), ("emulated-cortex-a76", "raspberry-pi-5")],
)
def test_an_emulated_board_is_told_by_its_core(board: str, like: str) -> None:
    text = probed(recorded(board), address="emulated://it", name="it").text
    assert f'extends = "{like}"' in text
    assert ("asimddp" in text) == (board == "emulated-cortex-a76")


def test_a_core_that_no_profile_has_is_refused_with_what_it_said() -> None:
    facts = {"arch": "aarch64", "cpu_model": "part 0xd4f", "cores": 4}
    with pytest.raises(InputError, match=r"'part 0xd4f', is no core Edgewright knows.* write its profile by hand"):
        probed(facts, address="ssh://board")
    with pytest.raises(InputError, match="no built-in profile has a Cortex-A715"):
        probed({**facts, "cpu_model": "Cortex-A715"}, address="ssh://board")


def test_this_machine_is_probed_and_its_profile_is_sound(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EDGEWRIGHT_HOME", str(tmp_path / "home"))
    file = tmp_path / "here.toml"
    line = ["profiles", "new", "--from-target", "local:", "--name", "here", "-o", str(file), "--json"]
    assert main(line) == 0
    made = json.loads(capsys.readouterr().out)
    assert made["profile"]["name"] == "here"
    assert made["profile"]["memory"]["usable_mb"]["value"] > 0
    assert main(["profiles", "check", str(file)]) == 0
    assert capsys.readouterr().out.startswith("here is sound: ")
    assert main(line) == 2  # it would write over it


@pytest.mark.parametrize(("seen_mb", "sold_mb"), [(1848, 2048), (7680, 8192), (425, 512)])
def test_memory_is_what_such_a_board_is_sold_with_and_what_linux_sees_of_it(seen_mb: int, sold_mb: int) -> None:
    text = probed({**recorded("raspberry-pi-4"), "ram_bytes": seen_mb << 20}, address="ssh://pi@board").text
    assert f"ram_mb = {{ value = {sold_mb}," in text
    assert f"usable_mb = {{ value = {seen_mb}," in text
