"""The verbs about devices, on this machine and on a fake."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import edgewright.devices.probe
from edgewright.cli.main import main
from edgewright.targets.base import Completed
from edgewright.targets.facts import SEPARATOR
from edgewright.targets.identity import IDENTITY
from edgewright.targets.transports.fake import FakeTarget
from tests.recordings.record import HERE, recording_name


@pytest.fixture
def lab(toml_file: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch) -> Path:
    path = toml_file(
        '[targets.kitchen]\naddress = "ssh://pi@kitchen"\nprofile = "raspberry-pi-4"\n'
        '[targets.here]\naddress = "local:"\n[groups]\nlab = ["here", "kitchen"]\n'
    )
    monkeypatch.setenv("EDGEWRIGHT_TARGETS", str(path))
    return path


@pytest.fixture
def board(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Let whatever is opened be a machine that prints what this board printed."""

    def use(name: str) -> None:
        def print_facts(argv: Any, stdin: str) -> Completed:
            printed = ""
            for command in dict.fromkeys(fact.argv for fact in IDENTITY.values()):
                file = HERE / name / recording_name(command)
                printed += f"\n{SEPARATOR}\n{file.read_text() if file.exists() else ''}"
            return Completed(argv=(), status=0, stdout=printed, stderr="")

        target = FakeTarget(tmp_path, answers={"sh -c": print_facts}, address="ssh://pi@kitchen")
        monkeypatch.setattr(edgewright.devices.probe, "open_target", lambda address: target)

    return use


def document(capsys: pytest.CaptureFixture[str], *arguments: str, status: int = 0) -> dict[str, Any]:
    assert main([*arguments, "--json"]) == status
    found: dict[str, Any] = json.loads(capsys.readouterr().out)
    return found


def test_the_inventory_is_listed_with_groups_and_claims(lab: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = document(capsys, "target", "list")
    assert found["file"] == str(lab)
    assert found["targets"] == [
        {"name": "kitchen", "address": "ssh://pi@kitchen", "profile": "raspberry-pi-4", "groups": ["lab"]},
        {"name": "here", "address": "local:", "profile": None, "groups": ["lab"]},
    ]
    assert main(["target", "list"]) == 0
    assert "ssh://pi@kitchen" in capsys.readouterr().out


@pytest.mark.usefixtures("lab")
def test_this_machine_is_probed_and_its_link_and_storage_are_measured(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EDGEWRIGHT_HOME", str(tmp_path / "home"))
    found = document(capsys, "target", "probe", "here")
    assert (found["name"], found["target"], found["as_claimed"]) == ("here", "local:", True)
    assert found["facts"]["ram_bytes"] > 0
    assert found["speeds"]["upload_mb_s"] > 1
    assert main(["target", "probe", "local:"]) == 0
    assert "round trip" in capsys.readouterr().out


@pytest.mark.usefixtures("lab")
def test_a_board_that_is_what_it_claims_ends_with_0_and_another_with_1_and_the_differences(
    board: Callable[[str], None], capsys: pytest.CaptureFixture[str]
) -> None:
    board("raspberry-pi-4")
    found = document(capsys, "target", "probe", "kitchen", "--no-speeds")
    assert (found["profile"], found["as_claimed"], found["speeds"]) == ("raspberry-pi-4", True, None)
    board("raspberry-pi-5")
    found = document(capsys, "target", "probe", "kitchen", "--no-speeds", status=1)
    assert (found["profile"], found["claimed"]["profile"]) == ("raspberry-pi-5", "raspberry-pi-4")
    assert main(["target", "probe", "kitchen", "--no-speeds"]) == 1
    said = " ".join(capsys.readouterr().out.split())
    assert (
        "It is not quite a Raspberry Pi 4 Model B, 2 GB. its firmware calls it Raspberry Pi 5 Model B Rev 1.0" in said
    )
    assert "It is a Raspberry Pi 5, 4 GB (profile raspberry-pi-5)." in said
    assert main(["target", "probe", "kitchen", "--no-speeds", "--profile", "raspberry-pi-5"]) == 0


@pytest.mark.usefixtures("lab")
def test_a_group_cannot_be_probed_and_an_unknown_name_is_not_taken_for_a_host(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["target", "probe", "lab"]) == 2
    assert "name one device of it" in capsys.readouterr().err
    assert main(["target", "probe", "kitchn"]) == 2
    assert "did you mean kitchen" in capsys.readouterr().err
