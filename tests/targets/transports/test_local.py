import os
from pathlib import Path, PurePosixPath

import pytest

from edgewright.errors import CommandTimeoutError, TargetError, TransferError
from edgewright.targets import open_target
from edgewright.targets.transports.local import LocalTarget
from tests.targets.checks import (
    assert_arguments_arrive_exactly,
    assert_gone,
    assert_much_input_and_output_pass,
    assert_output_is_heard_as_it_comes,
    assert_status_output_and_input_come_through,
)


def test_its_home_is_in_the_users_home_or_where_the_environment_says(monkeypatch: pytest.MonkeyPatch) -> None:
    assert open_target("local:").home == PurePosixPath(Path.home()) / ".edgewright"
    monkeypatch.setenv("EDGEWRIGHT_HOME", "/somewhere")
    assert open_target("local:").home == PurePosixPath("/somewhere")


def test_a_command_gets_its_exact_arguments_whatever_a_shell_would_make_of_them() -> None:
    assert_arguments_arrive_exactly(LocalTarget())


def test_status_signal_error_output_and_input_come_through() -> None:
    assert_status_output_and_input_come_through(LocalTarget())


def test_output_is_heard_as_it_comes() -> None:
    assert_output_is_heard_as_it_comes(LocalTarget())


def test_the_time_limit_ends_the_whole_group(tmp_path: Path) -> None:
    note = tmp_path / "pid"
    with pytest.raises(CommandTimeoutError, match=r"sh on local: did not end within 0\.5 s"):
        LocalTarget().run(["sh", "-c", f"sleep 300 & echo $! >{note}; wait"], timeout_s=0.5)
    assert_gone(int(note.read_text()))


def test_endless_output_is_stopped() -> None:
    with pytest.raises(TargetError, match="more than 16 MiB"):
        LocalTarget().run(["cat", "/dev/zero"], timeout_s=60)


def test_much_input_and_output_at_once_do_not_block_each_other() -> None:
    assert_much_input_and_output_pass(LocalTarget())


def test_files_go_and_come_back_with_their_executable_bit(tmp_path: Path) -> None:
    source, there, back = tmp_path / "source", tmp_path / "new" / "there", tmp_path / "back"
    source.write_bytes(b"\0\1\2")
    source.chmod(0o755)
    target = LocalTarget()
    target.put(source, PurePosixPath(there))
    target.get(PurePosixPath(there), back)
    assert back.read_bytes() == b"\0\1\2"
    assert os.access(there, os.X_OK)
    assert [path.name for path in there.parent.iterdir()] == ["there"]


def test_a_file_that_is_not_there_is_reported(tmp_path: Path) -> None:
    with pytest.raises(TransferError, match="missing"):
        LocalTarget().get(PurePosixPath(tmp_path / "missing"), tmp_path / "back")
    assert list(tmp_path.glob("*back*")) == []
