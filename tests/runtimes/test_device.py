"""A runtime is provided for a machine that it is made for, and for no other."""

import threading
from pathlib import Path

import pytest

from edgewright.base.once import made_once
from edgewright.errors import TargetError, UnknownNameError
from edgewright.runtimes.device import runtime_for


@pytest.mark.parametrize("machine", ["riscv64", "armv7l", "", "../x86_64"])
def test_a_machine_without_a_runtime_is_refused_with_those_that_have_one(machine: str) -> None:
    with pytest.raises(TargetError, match="supported are x86_64, aarch64"):
        runtime_for("executorch", machine=machine)


def test_an_unknown_runtime_is_refused_with_the_known_ones() -> None:
    with pytest.raises(UnknownNameError, match="there is no runtime 'tensorrt'; did you mean litert"):
        runtime_for("tensorrt", machine="aarch64")


def test_what_is_made_once_is_made_by_one_of_many(tmp_path: Path) -> None:
    made: list[int] = []

    def make(into: Path) -> None:
        made.append(1)
        (into / "file").write_text("whole")

    def ask() -> None:
        made_once(tmp_path / "place", make)

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert made == [1]
    assert (tmp_path / "place" / "file").read_text() == "whole"


def test_what_fails_to_be_made_leaves_nothing(tmp_path: Path) -> None:
    def fail(into: Path) -> None:
        (into / "half").write_text("half")
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        made_once(tmp_path / "place", fail)
    assert [path.name for path in tmp_path.iterdir() if not path.name.endswith(".lock")] == []
