"""The scripts that a device itself runs: one of those who try has the lease, and who lost it is told."""

import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

from edgewright.targets.device_store import lease, lease_scripts
from edgewright.targets.transports.fake import FakeTarget


def test_of_two_who_find_the_same_holder_dead_one_has_the_device(tmp_path: Path) -> None:
    doomed, first, second = (lease.Lease(FakeTarget(tmp_path)) for _ in range(3))
    doomed.take("doomed", 0, None)
    assert first._run(lease_scripts.TAKE_SCRIPT, 90, "{}", dead=[str(first._target.home / "lease" / "1")]).status == 0
    assert (
        second._run(lease_scripts.TAKE_SCRIPT, 90, "{}", dead=[str(first._target.home / "lease" / "1")]).status
        == lease_scripts.TAKEN
    )


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
    since, left = map(int, times.split()[:2])
    assert 0 <= since <= 20
    assert 60 < left <= 90
    assert (times.split()[2], owner) == (str(leases / "1"), "a is here")
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
    assert take(leases, "b", dead=str(leases / "1")).returncode == 0
    assert take(leases, "c", dead=str(leases / "1")).returncode == lease_scripts.TAKEN
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


def noted(leases: Path, process: subprocess.Popen[bytes], *, started: int = 0, boot: str = "") -> None:
    """Note the group of a process in the first lease, or one that was started so many ticks later."""
    fields = Path(f"/proc/{process.pid}/stat").read_text().rpartition(")")[2].split()
    boot = boot or Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    (leases / "1" / "group").write_text(f"{boot} {process.pid} {int(fields[19]) + started}\n")


@pytest.mark.parametrize(
    ("change", "ends"),
    [({}, True), ({"started": 1}, False), ({"boot": "another"}, False)],
    ids=["ours", "later", "boot"],
)
def test_who_takes_over_ends_the_noted_group_and_no_later_one_of_its_number(
    change: dict[str, Any], ends: bool, tmp_path: Path
) -> None:
    leases = tmp_path / "device" / "lease"
    assert take(leases, "a").returncode == 0
    with subprocess.Popen(["sleep", "60"], start_new_session=True) as process:
        noted(leases, process, **change)
        assert take(leases, "b").returncode == lease_scripts.TAKEN
        assert process.poll() is None
        assert take(leases, "b", dead=str(leases / "1")).returncode == 0
        assert (process.poll() == -9) is ends
        process.kill()


@pytest.mark.parametrize("group", ["", "1", "0", "-1", "x y", "; kill"])
def test_a_damaged_note_of_a_group_ends_nothing(group: str, tmp_path: Path) -> None:
    leases = tmp_path / "device" / "lease"
    assert take(leases, "a").returncode == 0
    boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    (leases / "1" / "group").write_text(f"{boot} {group} 1\n")
    assert take(leases, "b", dead=str(leases / "1")).returncode == 0


def test_a_lease_in_any_of_several_folders_keeps_the_device_and_the_first_that_can_be_written_to_takes_it(
    tmp_path: Path,
) -> None:
    (tmp_path / "unwritable").write_text("a file")
    places = [str(tmp_path / name / "lease") for name in ("unwritable", "second", "third")]

    def take_of(token: str, order: list[str], dead: str = "") -> subprocess.CompletedProcess[str]:
        words = [order[0], token, "90", dead, *order[1:]]
        command = ["sh", "-c", lease_scripts.TAKE_SCRIPT, "sh", *words]
        return subprocess.run(command, input=f"{token} is here\n", capture_output=True, text=True, check=False)

    taken = take_of("a", places)
    assert (taken.returncode, taken.stdout) == (0, f"{places[1]}\n")
    assert take_of("b", places[::-1]).returncode == lease_scripts.TAKEN
    both_dead = "\n".join(f"{place}/1" for place in places)
    again = take_of("b", places[::-1], dead=both_dead)
    assert (again.returncode, again.stdout) == (0, f"{places[2]}\n")
    assert take_of("c", places).returncode == lease_scripts.TAKEN


def test_a_folder_of_leases_in_tmp_that_is_somebody_elses_is_passed_over(tmp_path: Path) -> None:
    strange = Path(f"/tmp/.edgewright-test-{os.getpid()}")
    strange.symlink_to(tmp_path)  # made by another user, to have us write elsewhere
    try:
        words = [str(strange / "lease"), "a", "90", "", str(tmp_path / "own" / "lease")]
        command = ["sh", "-c", lease_scripts.TAKE_SCRIPT, "sh", *words]
        done = subprocess.run(command, input="a", capture_output=True, text=True, check=True)
        assert done.stdout == f"{tmp_path}/own/lease\n"
        assert not (tmp_path / "lease").exists()
    finally:
        strange.unlink()
