import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

import pytest

from edgewright.errors import DeviceBusyError, LeaseLostError, TargetError, UnreachableError
from edgewright.targets import open_target
from edgewright.targets.device_store import lease, lease_holder
from edgewright.targets.device_store.lease import leased
from edgewright.targets.transports.fake import FakeTarget
from edgewright.targets.transports.local import LocalTarget
from tests.targets.checks import (
    assert_arguments_arrive_exactly,
    assert_gone,
    assert_status_output_and_input_come_through,
)
from tests.targets.servers import Server


@pytest.fixture
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lease, "LASTS_S", 4.0)
    monkeypatch.setattr(lease, "RENEWED_EVERY_S", 0.5)
    monkeypatch.setattr(lease, "ASKED_EVERY_S", 0.1)


def eventually(is_so: Callable[[], object], limit_s: float = 10.0) -> float:
    """Seconds until it was."""
    begun = time.monotonic()
    while not is_so():
        assert time.monotonic() - begun < limit_s
        time.sleep(0.02)
    return time.monotonic() - begun


def is_free(address: str) -> bool:
    with closing(open_target(address)) as target:
        try:
            with leased(target, "look"):
                return True
        except DeviceBusyError:
            return False


def test_the_second_client_of_a_device_is_told_who_has_it_what_for_and_what_to_do(server: Server) -> None:
    with closing(open_target(server.address)) as first, closing(open_target(server.address)) as second:
        with leased(first, "bench demo"):
            with pytest.raises(DeviceBusyError, match="--wait SECONDS") as caught, leased(second, "bench other"):
                pass
            said = str(caught.value)
            assert f"{server.address} is in use: {lease_holder.whoami()} (process " in said
            assert ": bench demo) has it since " in said
        with leased(second, "bench other"):
            pass
    left = [str(path.relative_to(server.remote_home)) for path in server.remote_home.rglob("*") if path.is_dir()]
    assert sorted(left) == [".edgewright", ".edgewright/lease", ".edgewright/lease/2"]


@pytest.mark.usefixtures("short")
def test_who_waits_gets_the_device_when_it_is_given_up_and_hears_meanwhile_who_has_it(server: Server) -> None:
    heard: list[str] = []
    got = threading.Event()

    def wait() -> None:
        with (
            closing(open_target(server.address)) as target,
            leased(target, "second", wait_s=30, waiting=lambda holder, waited_s: heard.append(holder.what)),
        ):
            got.set()

    with closing(open_target(server.address)) as target:
        with leased(target, "first"):
            thread = threading.Thread(target=wait)
            thread.start()
            eventually(lambda: heard)
            assert not got.is_set()
        thread.join(10)
    assert got.is_set()
    assert set(heard) == {"first"}


@pytest.mark.usefixtures("short")
def test_a_lease_is_renewed_for_as_long_as_it_is_held_and_a_wait_for_it_ends(server: Server) -> None:
    with (
        closing(open_target(server.address)) as first,
        closing(open_target(server.address)) as second,
        leased(first, "long"),
    ):
        begun = time.monotonic()
        with pytest.raises(DeviceBusyError, match=r"still in use after 5\.5 s"), leased(second, "b", wait_s=5.5):
            pass
        assert time.monotonic() - begun < 9


@pytest.mark.usefixtures("short")
def test_a_device_held_for_a_while_is_not_touched_in_that_time(tmp_path: Path) -> None:
    target = FakeTarget(tmp_path)
    with leased(target, "measure") as held:
        held.hold(30)
        target.commands.clear()
        time.sleep(1.2)
        assert target.commands == []
        with pytest.raises(DeviceBusyError) as caught, leased(FakeTarget(tmp_path), "other"):
            pass
        assert caught.value.left_s > 25


def test_two_folders_on_one_device_exclude_each_other(server: Server, tmp_path: Path) -> None:
    for name in ("one", "other"):
        (tmp_path / name).mkdir()
    named = [f"{server.address}?folder={tmp_path / name}" for name in ("one", "other")]
    for held, wanted in ((named[0], named[1]), (named[0], server.address), (server.address, named[1])):
        with closing(open_target(held)) as first, leased(first, "bench demo"):
            assert not is_free(wanted)
        assert is_free(wanted)
    assert [path.name for path in (server.remote_home / ".edgewright").iterdir()] == ["lease"]


def killed_holder(address: str) -> None:
    """A process that took the device for a while, and was killed."""
    code = (
        "import sys, time\n"
        "from edgewright.targets import open_target\n"
        "from edgewright.targets.device_store import lease\n"
        "lease.LASTS_S, lease.RENEWED_EVERY_S = 4, 0.5\n"
        "with lease.leased(open_target(sys.argv[1]), 'doomed'):\n"
        "    print('held', flush=True)\n"
        "    time.sleep(60)\n"
    )
    root = Path(__file__).parents[3]
    with subprocess.Popen([sys.executable, "-c", code, address], stdout=subprocess.PIPE, cwd=root) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"held\n"
        time.sleep(1.5)
        holder.kill()


def test_a_killed_holder_of_this_machine_is_followed_at_once(server: Server) -> None:
    killed_holder(server.address)
    with closing(open_target(server.address)) as target, leased(target, "next"):
        assert [path.name for path in (server.remote_home / ".edgewright" / "lease").iterdir()] == ["2"]
    assert is_free(server.address)


def runner_of_a_killed_holder(address: str, folder: Path) -> int:
    """The number of a process that was begun under a lease, and runs on as its holder was killed."""
    code = (
        "import sys\n"
        "from edgewright.targets import open_target\n"
        "from edgewright.targets.device_store.lease import leased\n"
        "with leased(open_target(sys.argv[1]), 'doomed') as lease:\n"
        "    script = 'sleep 300 & echo $! $$ >\"$1\"; wait'\n"
        "    lease.recording().run(['sh', '-c', script, 'sh', sys.argv[2]], timeout_s=600)\n"
    )
    note = folder / "pids"
    with subprocess.Popen([sys.executable, "-c", code, address, str(note)], cwd=Path(__file__).parents[3]) as holder:
        eventually(lambda: note.exists() and len(note.read_text().split()) == 2, limit_s=60)
        holder.kill()
    child, _ = map(int, note.read_text().split())
    return child


@pytest.mark.parametrize("kind", ["ssh", "local"])
def test_what_a_killed_holder_left_running_is_ended_by_who_takes_the_device_over(
    kind: str, server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EDGEWRIGHT_HOME", str(tmp_path / "home"))
    address = server.address if kind == "ssh" else "local:"
    child = runner_of_a_killed_holder(address, tmp_path)
    os.kill(child, 0)  # it runs on, or this would raise
    with closing(open_target(address)) as target, leased(target, "next"):
        assert_gone(child)


def test_a_runner_that_the_next_holder_ended_says_that_the_device_was_taken(tmp_path: Path) -> None:
    def measure() -> None:
        with leased(FakeTarget(tmp_path), "asleep"):
            until = Path(FakeTarget(tmp_path).home / "lease" / "1" / "until")
            until.write_text(f"{until.read_text().split()[0]} 0\n")
            with leased(FakeTarget(tmp_path), "awake"):
                pass
            raise TargetError("the runner was ended by signal 9")

    with pytest.raises(LeaseLostError, match="run this again"):
        measure()


def test_a_command_under_a_lease_is_what_it_would_be_without(tmp_path: Path) -> None:
    with leased(FakeTarget(tmp_path), "measure") as held:
        target = held.recording()
        assert_arguments_arrive_exactly(target)
        assert_status_output_and_input_come_through(target)
        boot, group, started = (Path(target.home) / "lease" / "1" / "group").read_text().split()
        assert len(boot) == 36
        assert int(group) > 1
        assert int(started) > 0


def test_a_killed_holder_of_another_machine_keeps_a_device_until_its_lease_ends_and_no_longer(server: Server) -> None:
    killed_holder(server.address)
    (owner,) = (server.remote_home / ".edgewright" / "lease").glob("*/owner")
    said = json.loads(owner.read_text())
    for elsewhere in ({"boot": "another"}, {"namespace": "pid:[1]"}, {"pid": "1"}, {"started": None}):
        owner.write_text(json.dumps({**said, **elsewhere}))
        assert not is_free(server.address)
    assert eventually(lambda: is_free(server.address)) < 6


def test_a_holder_that_lives_keeps_the_device_and_one_whose_number_is_anothers_by_now_does_not(tmp_path: Path) -> None:
    with ExitStack() as measuring:
        measuring.enter_context(leased(FakeTarget(tmp_path), "alive"))
        with pytest.raises(DeviceBusyError), leased(FakeTarget(tmp_path), "other"):
            pass
        owner = Path(FakeTarget(tmp_path).home / "lease" / "1" / "owner")
        said = json.loads(owner.read_text())
        owner.write_text(json.dumps({**said, "started": said["started"] - 1}))
        with leased(FakeTarget(tmp_path), "next"):
            pass
        with pytest.raises(LeaseLostError):
            measuring.close()


def test_the_home_of_a_device_is_its_users_alone(server: Server) -> None:
    home = server.remote_home / ".edgewright"
    with closing(open_target(server.address)) as target:
        for _ in range(2):
            with leased(target, "look"):
                assert home.stat().st_mode & 0o777 == 0o700
            home.chmod(0o755)  # as it was made by an earlier version


def test_a_home_that_a_user_named_keeps_its_mode(tmp_path: Path) -> None:
    named = tmp_path / "shared"
    named.mkdir()
    named.chmod(0o755)
    for folder, mode in ((named, 0o755), (tmp_path / "new" / "place", 0o700)):
        with leased(LocalTarget(folder), "look"):
            assert folder.stat().st_mode & 0o777 == mode


def test_a_device_that_is_lost_at_the_end_leaves_a_doubt_and_no_error(tmp_path: Path) -> None:
    answers: dict[str, Any] = {}
    target = FakeTarget(tmp_path, answers=answers)
    with leased(target, "measure") as held:
        target._answers["sh"] = UnreachableError("the board is gone")
        held.hold_on(5)
        assert held.doubt == "whether the device was still ours could not be asked: the board is gone"


@pytest.mark.usefixtures("short")
def test_of_many_who_want_a_device_at_once_never_two_have_it(tmp_path: Path) -> None:
    inside: list[int] = []
    seen: list[list[int]] = []

    def work(number: int) -> None:
        for _ in range(5):
            with leased(FakeTarget(tmp_path), str(number), wait_s=60):
                inside.append(number)
                seen.append(list(inside))
                inside.remove(number)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(seen) == sorted([number] for number in range(6) for _ in range(5))
    assert len(list(Path(FakeTarget(tmp_path).home / "lease").iterdir())) == 1


@pytest.mark.usefixtures("short")
def test_who_was_silent_for_too_long_is_told_that_the_device_was_taken(tmp_path: Path) -> None:
    with ExitStack() as measuring:
        asleep = measuring.enter_context(leased(FakeTarget(tmp_path), "asleep"))
        asleep.stop_renewing()
        with leased(FakeTarget(tmp_path), "awake", wait_s=10), pytest.raises(LeaseLostError, match="run this again"):
            asleep.hold(5)
        with pytest.raises(LeaseLostError):
            measuring.close()
    with leased(FakeTarget(tmp_path), "next"):
        pass


def test_a_lease_from_before_a_restart_of_the_device_holds_nothing(tmp_path: Path) -> None:
    with ExitStack() as measuring:
        measuring.enter_context(leased(FakeTarget(tmp_path), "first"))
        until = Path(FakeTarget(tmp_path).home / "lease" / "1" / "until")
        boot, end = until.read_text().split()
        until.write_text(f"another-{boot} {end}\n")
        with leased(FakeTarget(tmp_path), "second"):
            assert not until.exists()
        with pytest.raises(LeaseLostError):
            measuring.close()


def test_a_device_that_cannot_be_written_to_keeps_no_lease_and_says_why(tmp_path: Path) -> None:
    (tmp_path / ".edgewright").write_text("a file where the directory should be")
    with pytest.raises(TargetError, match=r"keeps no lease \(.*\); check that"), leased(FakeTarget(tmp_path), "a"):
        pass
