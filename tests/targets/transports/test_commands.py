"""What is sent keeps its size and mode, what is printed is bounded, and free space is known where a machine says it."""

from collections.abc import Callable, Sequence
from pathlib import Path, PurePosixPath
from typing import BinaryIO

import pytest

from edgewright.errors import CommandTimeoutError, TargetError, UnreachableError
from edgewright.targets.base import Completed
from edgewright.targets.transports.commands import completed, free_space, outgoing
from edgewright.targets.transports.conversation import OUTPUT_LIMIT_BYTES
from edgewright.targets.transports.fake import FakeTarget


def test_a_command_gets_its_input_and_gives_its_status_and_both_of_its_outputs() -> None:
    given: list[tuple[Sequence[str], float, bytes]] = []

    def execute(
        argv: Sequence[str], timeout_s: float, source: BinaryIO, sink: Callable[[bytes], object]
    ) -> tuple[int, str]:
        given.append((argv, timeout_s, source.read()))
        sink("grö".encode()[:3])
        sink("grö".encode()[3:] + b"\xff")
        return 3, "odd"

    done = completed(execute, "there", ["cat", "-n"], timeout_s=7, stdin="ä")
    assert given == [(["cat", "-n"], 7, "ä".encode())]
    assert done == Completed(argv=("cat", "-n"), status=3, stdout="grö\N{REPLACEMENT CHARACTER}", stderr="odd")


def test_output_without_end_is_stopped_by_its_program_and_place() -> None:
    def execute(
        argv: Sequence[str], timeout_s: float, source: BinaryIO, sink: Callable[[bytes], object]
    ) -> tuple[int, str]:
        for _ in range(OUTPUT_LIMIT_BYTES // (1 << 20) + 1):
            sink(bytes(1 << 20))
        raise AssertionError("nobody stopped it")

    with pytest.raises(TargetError, match="yes on there printed more than"):
        completed(execute, "there", ["yes"], timeout_s=7, stdin="")


def test_bytes_and_files_go_out_with_their_size_and_mode(tmp_path: Path) -> None:
    file = tmp_path / "runner"
    file.write_bytes(b"12345")
    file.chmod(0o640)
    with outgoing(b"abc") as (content, size, mode):
        assert (content.read(), size, mode) == (b"abc", 3, 0o644)
    with outgoing(file) as (content, size, mode):
        assert (content.read(), size, mode) == (b"12345", 5, 0o644)
    assert content.closed
    file.chmod(0o700)
    with outgoing(file) as (_, _, mode):
        assert mode == 0o755


def test_a_file_that_is_not_there_is_an_error_before_anything_is_sent(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError), outgoing(tmp_path / "gone"):
        raise AssertionError("it was sent")


def test_free_space_is_reported_also_below_a_folder_that_is_not_there_yet(tmp_path: Path) -> None:
    there = free_space(FakeTarget(tmp_path), PurePosixPath(tmp_path))
    below = free_space(FakeTarget(tmp_path), PurePosixPath(tmp_path / "not" / "yet"))
    assert there is not None
    assert below is not None
    assert there > 0
    assert abs(there - below) < 1 << 30


@pytest.mark.parametrize(
    "answer",
    [
        UnreachableError("the board is gone"),
        CommandTimeoutError("there", "sh", 60),
        Completed(argv=("sh",), status=1, stdout="", stderr="df: not found"),
        Completed(argv=("sh",), status=0, stdout="much", stderr=""),
    ],
    ids=["unreachable", "too slow", "no df", "no number"],
)
def test_a_machine_that_does_not_say_has_no_known_space(answer: Completed | Exception, tmp_path: Path) -> None:
    assert free_space(FakeTarget(tmp_path, answers={"sh": answer}), PurePosixPath("/data")) is None
