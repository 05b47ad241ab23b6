"""The scripts that a device itself runs: one of those who try has the lease, and who lost it is told."""

import subprocess
from pathlib import Path
from typing import Any

import pytest

from edgewright.targets.device_store import lease, lease_scripts
from edgewright.targets.transports.fake import FakeTarget


def test_of_two_who_find_the_same_holder_dead_one_has_the_device(tmp_path: Path) -> None:
    doomed, first, second = (lease.Lease(FakeTarget(tmp_path)) for _ in range(3))
    doomed.take("doomed", 0, None)
    assert first._run(lease_scripts.TAKE_SCRIPT, 90, "{}", dead=1).status == 0
    assert second._run(lease_scripts.TAKE_SCRIPT, 90, "{}", dead=1).status == lease_scripts.TAKEN


def script(leases: Path, text: str, token: str, lasts: int = 90, dead: str = "") -> subprocess.CompletedProcess[str]:
    """Run one as a device would: the folder of leases, a token, seconds, and the number of a lease that is dead."""
    return subprocess.run(
        ["sh", "-c", text, "sh", str(leases), token, str(lasts), dead],
        input=f"{token} is here\n",
        capture_output=True,
        text=True,
        check=False,
        timeout=20,
    )


def take(leases: Path, token: str, **how: Any) -> subprocess.CompletedProcess[str]:
    return script(leases, lease_scripts.TAKE_SCRIPT, token, **how)


def renew(leases: Path, token: str, lasts: int = 90) -> int:
    return script(leases, lease_scripts.RENEW_SCRIPT, token, lasts).returncode


def test_the_first_has_it_and_the_second_reads_who_has_it_since_when_and_for_how_long(tmp_path: Path) -> None:
    leases = tmp_path / "device" / "lease"
    assert take(leases, "a").returncode == 0
    second = take(leases, "b")
    assert second.returncode == lease_scripts.TAKEN
    times, owner = second.stdout.splitlines()
    since, left, number = map(int, times.split())
    assert 0 <= since <= 20
    assert 60 < left <= 90
    assert (number, owner) == (1, "a is here")
    assert [each.name for each in leases.iterdir()] == ["1"]


def test_a_lease_renewed_for_nothing_is_given_up_and_the_next_has_the_next_number(tmp_path: Path) -> None:
    leases = tmp_path / "device" / "lease"
    assert take(leases, "a").returncode == 0
    assert renew(leases, "a", lasts=0) == 0
    assert take(leases, "b").returncode == 0
    assert [each.name for each in leases.iterdir()] == ["2"]
    assert renew(leases, "a") == lease_scripts.LOST
    assert renew(leases, "b") == 0


def test_a_stranger_can_neither_renew_nor_end_a_lease(tmp_path: Path) -> None:
    leases = tmp_path / "device" / "lease"
    assert renew(leases, "b") == lease_scripts.LOST
    assert take(leases, "a").returncode == 0
    assert renew(leases, "b", lasts=0) == lease_scripts.LOST
    assert take(leases, "b").returncode == lease_scripts.TAKEN


def test_a_number_of_a_lease_that_was_passed_since_is_no_way_in(tmp_path: Path) -> None:
    leases = tmp_path / "device" / "lease"
    assert take(leases, "a").returncode == 0
    assert take(leases, "b", dead="1").returncode == 0
    assert take(leases, "c", dead="1").returncode == lease_scripts.TAKEN
    assert renew(leases, "b") == 0


@pytest.mark.parametrize("damage", ["until", "token"])
def test_a_lease_that_is_damaged_holds_nothing_for_ever(damage: str, tmp_path: Path) -> None:
    leases = tmp_path / "device" / "lease"
    assert take(leases, "a").returncode == 0
    (leases / "1" / damage).unlink()
    if damage == "token":
        assert renew(leases, "a") == lease_scripts.LOST
        assert take(leases, "b").returncode == lease_scripts.TAKEN  # until it ends
    else:
        assert take(leases, "b").returncode == 0


def test_a_home_that_cannot_be_made_is_neither_ours_nor_anothers(tmp_path: Path) -> None:
    (tmp_path / "device").write_text("a file")
    assert take(tmp_path / "device" / "lease", "a").returncode not in (0, lease_scripts.TAKEN, lease_scripts.LOST)
