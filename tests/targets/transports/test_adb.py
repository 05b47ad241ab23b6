"""Against Android's own daemon on the loopback interface, with its shell and file system this machine's."""

import os
import subprocess
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path, PurePosixPath

import pytest

from edgewright.errors import (
    AuthenticationError,
    DeviceBusyError,
    DeviceFullError,
    TransferError,
    UnreachableError,
)
from edgewright.targets import open_target
from edgewright.targets.base import Target
from edgewright.targets.device_store.lease import leased
from edgewright.targets.device_store.push import push_files
from edgewright.targets.facts import read_facts
from edgewright.targets.transports import adb
from edgewright.targets.transports.shell import shell_at
from tests.targets.adbd import Device, adb_server, started_device
from tests.targets.checks import (
    assert_arguments_arrive_exactly,
    assert_endless_output_is_stopped,
    assert_much_input_and_output_pass,
    assert_output_is_heard_as_it_comes,
    assert_status_output_and_input_come_through,
    assert_the_time_limit_ends_the_group,
)

LIMIT_S = 20.0


@pytest.fixture(autouse=True)
def own_adb(own_home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(adb, "HOME", str(tmp_path / "device"))
    with adb_server(own_home) as environment:
        for name, value in environment.items():
            monkeypatch.setenv(name, value)
        yield


@pytest.fixture
def device() -> Iterator[Device]:
    with started_device() as started:
        yield started


@pytest.fixture
def target(device: Device) -> Iterator[Target]:
    with closing(open_target(device.address)) as opened:
        yield opened


def test_a_command_gets_its_exact_arguments_whatever_a_shell_would_make_of_them(target: Target) -> None:
    assert_arguments_arrive_exactly(target)


def test_status_signal_error_output_and_input_come_through(target: Target) -> None:
    assert_status_output_and_input_come_through(target)


def test_what_it_is(target: Target, device: Device, tmp_path: Path) -> None:
    assert target.address == f"adb://127.0.0.1:{device.port}"
    assert target.emulated is False
    assert target.home == PurePosixPath(tmp_path / "device")


def test_much_input_and_output_at_once_do_not_block_each_other(target: Target) -> None:
    assert_much_input_and_output_pass(target)


def test_output_is_heard_as_it_comes(target: Target) -> None:
    assert_output_is_heard_as_it_comes(target)


def test_endless_output_is_stopped_and_so_is_its_program(target: Target, tmp_path: Path) -> None:
    assert_endless_output_is_stopped(target, tmp_path)


def test_the_time_limit_ends_the_whole_group_there(target: Target, tmp_path: Path) -> None:
    assert_the_time_limit_ends_the_group(target, tmp_path, limit_s=0.7, kind="adb")


def test_files_go_and_come_back(target: Target, tmp_path: Path) -> None:
    source, there, back = tmp_path / "source", tmp_path / "new dir" / "there", tmp_path / "back"
    source.write_bytes(os.urandom(3_000_000))
    source.chmod(0o755)
    target.put(source, PurePosixPath(there))
    target.put(source, PurePosixPath(there))  # in the place of the first
    target.get(PurePosixPath(there), back)
    assert back.read_bytes() == source.read_bytes()
    assert os.access(there, os.X_OK)
    target.put(b"other", PurePosixPath(there))
    assert there.read_bytes() == b"other"
    assert [path.name for path in there.parent.iterdir()] == ["there"]
    with pytest.raises(TransferError, match="No such file"):
        target.get(PurePosixPath("/no/such/file"), tmp_path / "missing")
    assert list(tmp_path.glob("*missing*")) == []


def test_a_bundle_is_pushed_as_over_any_other_way(
    target: Target, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("edgewright.targets.device_store.push.PART_BYTES", 100_000)
    files = {"model.tflite": tmp_path / "model", "data/words": tmp_path / "words"}
    files["model.tflite"].write_bytes(os.urandom(350_000))
    files["data/words"].write_text("words")
    place = Path(push_files(target, files, kind="bundles"))
    assert {name: (place / name).read_bytes() for name in files} == {
        name: path.read_bytes() for name, path in files.items()
    }
    assert [path.name for path in place.parent.iterdir()] == [place.name]
    assert push_files(target, files, kind="bundles") == PurePosixPath(place)


def test_facts_are_read_a_lease_is_kept_and_a_shell_opened_there_as_elsewhere(target: Target, device: Device) -> None:
    assert read_facts(target)["arch"] == os.uname().machine
    with leased(target, "first"), pytest.raises(DeviceBusyError, match="first"), leased(target, "second"):
        pass
    line = shell_at(device.address, ["printf", "<%s>", "a b"])
    assert subprocess.run(line, capture_output=True, text=True, check=True).stdout == "<a b>"


def test_a_full_device_is_reported_with_its_room_and_keeps_no_half_file(tmp_path: Path) -> None:
    disk = tmp_path / "small"
    disk.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "none", str(disk)], check=False)
    if mounted.returncode != 0:
        pytest.skip("a small disk takes the right to mount one")
    try:
        with started_device() as device, closing(open_target(device.address)) as target:
            with pytest.raises(DeviceFullError, match=r"needs 5\.0 MB and has \d\.\d MB free"):
                target.put(os.urandom(5_000_000), PurePosixPath(disk) / "large")
            assert list(disk.iterdir()) == []
    finally:
        subprocess.run(["umount", str(disk)], check=True)


def test_a_device_that_goes_away_in_the_middle_is_lost_and_can_be_used_once_it_is_back(
    device: Device, tmp_path: Path
) -> None:
    target = open_target(device.address)
    with pytest.raises(UnreachableError, match="the connection was lost"):
        target.run(["sh", "-c", f"kill -9 {device.process.pid}; sleep 20"], timeout_s=LIMIT_S)
    with pytest.raises(UnreachableError, match="lost"):
        target.put(b"content", PurePosixPath(tmp_path / "file"))
    with pytest.raises(UnreachableError, match=r"did not answer"):
        open_target(device.address)
    with started_device(ADBD_PORT=str(device.port)), closing(open_target(device.address)) as again:
        assert again.run(["echo", "back"], timeout_s=LIMIT_S).stdout == "back\n"


def test_a_device_that_does_not_trust_this_computer_says_what_to_do_there(own_home: Path) -> None:
    accept = pytest.raises(AuthenticationError, match="accept the key that it shows")
    with started_device(ADBD_SECURE="1") as device, accept:
        open_target(device.address)


def test_without_a_number_the_only_device_is_taken_and_none_or_several_are_reported(device: Device) -> None:
    with pytest.raises(UnreachableError, match="adb sees no device; plug it in"):
        open_target("adb://")
    open_target(device.address)
    assert open_target("adb://").address == device.address
    with started_device() as other:
        open_target(other.address)
        with pytest.raises(UnreachableError, match=r"sees \S+ \(device\), \S+ \(device\); name one") as caught:
            open_target("adb://")
        assert {device.serial, other.serial} <= set(str(caught.value).split())
    with pytest.raises(UnreachableError, match="adb sees no device R58M12345 but"):
        open_target("adb://R58M12345")
