"""The verbs `profiles list`, `show`, `check`, `settings` and `new`."""

from pathlib import Path

import pytest

from edgewright.cli.main import main
from edgewright.specs.profiles import load_profile, profile_names
from tests.cli.stand_ins import document


def test_every_profile_is_listed_with_its_cores(capfd: pytest.CaptureFixture[str]) -> None:
    rows = document(capfd, "profiles", "list")["profiles"]
    assert [each["name"] for each in rows] == list(profile_names())
    (pi,) = (each for each in rows if each["name"] == "raspberry-pi-4")
    assert pi["cores"] == [{"core": "Cortex-A72", "count": 4}]
    assert pi["emulated"] is True
    assert main(["profiles", "list"]) == 0
    assert "4 × Cortex-A72" in capfd.readouterr().out


@pytest.mark.parametrize("name", profile_names())
def test_every_profile_is_shown_and_sound(name: str, capfd: pytest.CaptureFixture[str]) -> None:
    assert document(capfd, "profiles", "show", name)["name"] == name
    checked = document(capfd, "profiles", "check", name)
    assert checked["facts"] > 10
    assert main(["profiles", "check", name]) == 0
    assert f"{name} is sound: {checked['facts']} facts" in " ".join(capfd.readouterr().out.split())


def test_a_profile_that_cannot_be_true_is_told_with_its_place(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "board.toml"
    file.write_text('extends = "raspberry-pi-4"\nname = "board"\n[processor]\ncoers = 3\n')
    error = document(capfd, "profiles", "check", str(file), status=2)["error"]
    assert any("coers" in each["place"] for each in error["faults"])


def test_a_profile_is_made_of_what_this_machine_says_and_is_never_written_over(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    line = ("profiles", "new", "--from-target", "local:", "--name", "mine")
    found = document(capfd, *line)
    assert found["file"] == "mine.toml"
    assert load_profile(tmp_path / "mine.toml").name == "mine"
    assert found["profile"]["name"] == "mine"
    before = (tmp_path / "mine.toml").read_bytes()
    error = document(capfd, *line, status=2)["error"]
    assert "mine.toml is there already; give another file with -o" in error["message"]
    assert (tmp_path / "mine.toml").read_bytes() == before
    assert main([*line, "-o", str(tmp_path / "other.toml")]) == 0


def test_the_fields_of_a_profile_are_described_as_markdown_and_as_a_document(capfd: pytest.CaptureFixture[str]) -> None:
    assert main(["profiles", "settings", "processor.clock_mhz"]) == 0
    page = capfd.readouterr().out
    assert page.startswith("## [processor]\n")
    assert "| `clock_mhz` | Full clock without overclocking" in page
    rows = document(capfd, "profiles", "settings", "memory")["settings"]
    assert [row["name"] for row in rows] == ["ram_mb", "usable_mb", "copy_bandwidth_gb_s"]
    assert [row["unit"] for row in rows] == ["MiB", "MiB", "GB/s"]
    assert main(["profiles", "settings", "memroy"]) == 2
    assert "did you mean memory" in capfd.readouterr().err
