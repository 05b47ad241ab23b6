"""What a machine is found to be, whether it is what it claims, and that it is let go of whatever happens."""

from pathlib import Path
from typing import Any

import pytest

from edgewright.devices import probe as probing
from edgewright.devices.inventory import NamedTarget
from edgewright.devices.probe import probe
from edgewright.errors import DeviceBusyError, InputError, UnreachableError
from edgewright.targets.device_store.lease import leased
from edgewright.targets.speed import Speeds
from edgewright.targets.transports.fake import FakeTarget
from tests.recordings.record import recorded

SPEEDS = Speeds(
    round_trip_ms=2.0, upload_mb_s=10.0, download_mb_s=11.0, storage_write_mb_s=None, storage_read_mb_s=40.0
)


@pytest.fixture
def target(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FakeTarget:
    """A Raspberry Pi 4 by what it says."""
    made = FakeTarget(tmp_path, address="ssh://pi@board")
    monkeypatch.setattr(probing, "open_target", lambda address: made)
    monkeypatch.setattr(probing, "read_facts", lambda target, facts: recorded("raspberry-pi-4"))
    monkeypatch.setattr(probing, "measure_speeds", lambda target: SPEEDS)
    return made


def machine(profile: str | None = None) -> NamedTarget:
    return NamedTarget(name="lab", address="ssh://pi@board", profile=profile)


def test_a_machine_that_claims_nothing_is_what_it_says_it_is(target: FakeTarget) -> None:
    found = probe(machine())
    assert (found.claimed, found.as_claimed) == (None, True)
    told = found.document()
    assert (told["name"], told["target"], told["profile"]) == ("lab", "ssh://pi@board", "raspberry-pi-4")
    assert told["speeds"]["storage_read_mb_s"] == 40.0
    assert told["speeds"]["storage_write_mb_s"] is None
    assert told["facts"] == recorded("raspberry-pi-4")
    assert target.closed


@pytest.mark.parametrize(("profile", "as_claimed"), [("raspberry-pi-4", True), ("raspberry-pi-5", False)])
def test_a_claim_is_held_against_what_the_machine_tells(target: FakeTarget, profile: str, as_claimed: bool) -> None:
    found = probe(machine(profile), speeds=False)
    assert found.as_claimed is as_claimed
    assert found.claimed is not None
    assert bool(found.claimed.differences) is not as_claimed
    assert found.document()["matches"][0]["profile"] == "raspberry-pi-4"


def test_a_device_is_not_taken_up_where_no_speeds_are_asked_for(target: FakeTarget) -> None:
    with leased(FakeTarget(Path(target.home).parent), "another"):
        assert probe(machine(), speeds=False).document()["speeds"] is None
        with pytest.raises(DeviceBusyError):
            probe(machine())
    assert probe(machine()).speeds == SPEEDS


@pytest.mark.parametrize("what", ["read_facts", "measure_speeds"])
def test_a_machine_that_fails_is_let_go_of(target: FakeTarget, what: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*_: Any) -> None:
        raise UnreachableError("it went away")

    monkeypatch.setattr(probing, what, fails)
    with pytest.raises(UnreachableError, match="it went away"):
        probe(machine())
    assert target.closed


def test_a_claim_that_cannot_be_read_is_told_before_anything_is_opened(monkeypatch: pytest.MonkeyPatch) -> None:
    def never(address: str) -> None:
        raise AssertionError("it was opened")

    monkeypatch.setattr(probing, "open_target", never)
    with pytest.raises(InputError, match="did you mean raspberry-pi-4"):
        probe(machine("raspberry-pie-4"))


def test_a_machine_that_is_like_no_profile_has_none(target: FakeTarget, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(probing, "read_facts", lambda target, facts: dict.fromkeys(recorded("raspberry-pi-4")))
    told = probe(machine(), speeds=False).document()
    assert (told["profile"], told["matches"], told["as_claimed"]) == (None, [], True)
