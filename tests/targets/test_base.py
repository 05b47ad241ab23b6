"""What every target is: a fake one keeps the same promises as a real one."""

import inspect
from pathlib import Path, PurePosixPath

import pytest

from edgewright.targets.base import Completed, Target, or_another_folder
from edgewright.targets.transports.adb import AdbTarget
from edgewright.targets.transports.fake import FakeTarget
from edgewright.targets.transports.local import LocalTarget
from edgewright.targets.transports.ssh import SshTarget

VERBS = ("put", "get", "run", "close")


@pytest.mark.parametrize("kind", [LocalTarget, FakeTarget, SshTarget, AdbTarget])
@pytest.mark.parametrize("verb", VERBS)
def test_every_way_to_a_machine_takes_the_same_arguments(kind: type, verb: str) -> None:
    wanted, own = (inspect.signature(getattr(each, verb)).parameters for each in (Target, kind))
    assert list(own) == list(wanted)
    assert [each.kind for each in own.values()] == [each.kind for each in wanted.values()]
    assert [each.default for each in own.values()] == [each.default for each in wanted.values()]


@pytest.mark.parametrize("kind", [LocalTarget, FakeTarget, SshTarget, AdbTarget])
def test_every_way_to_a_machine_tells_its_address_home_and_whether_it_is_emulated(kind: type) -> None:
    for name in ("address", "home", "emulated"):
        assert isinstance(inspect.getattr_static(kind, name), property)


def test_a_machine_is_used_through_its_verbs_alone(tmp_path: Path) -> None:
    target: Target = FakeTarget(tmp_path)
    target.put(b"content", target.home / "file")
    target.get(target.home / "file", tmp_path / "back")
    assert (tmp_path / "back").read_bytes() == b"content"
    done = target.run(["cat"], timeout_s=10, stdin="in")
    assert done == Completed(argv=("cat",), status=0, stdout="in", stderr="")
    assert target.home == PurePosixPath(tmp_path / ".edgewright")
    target.close()
    target.close()


@pytest.mark.parametrize(
    ("address", "offered"),
    [("ssh://pi@board", True), ("local:", False), ("adb://1234", False), ("emulated://raspberry-pi-4", False)],
)
def test_another_folder_is_offered_where_one_can_be_named(address: str, offered: bool) -> None:
    assert ("?folder=/PATH" in or_another_folder(address)) is offered
