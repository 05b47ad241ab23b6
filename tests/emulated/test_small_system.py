"""What is done on every device, on one whose only programs are busybox's, and what a board says it is."""

from collections.abc import Sequence
from pathlib import Path

import pytest

from edgewright.devices.known_device import identify
from edgewright.errors import DeviceBusyError
from edgewright.specs.profiles import load_profile, profile_names
from edgewright.targets.base import Completed, Target
from edgewright.targets.device_store.lease import leased
from edgewright.targets.device_store.push import push_files
from edgewright.targets.facts import read_facts
from edgewright.targets.identity import IDENTITY
from edgewright.targets.speed import measure_speeds

pytestmark = pytest.mark.emulated
LIMIT_S = 60.0
PROGRAMS = "/root/busybox-alone"


class SmallTarget:
    """A board seen without its GNU programs."""

    emulated = True

    def __init__(self, board: Target) -> None:
        board.run(["sh", "-c", f"mkdir -p {PROGRAMS} && busybox --install -s {PROGRAMS}"], timeout_s=LIMIT_S)
        self._board = board
        self.address, self.home = board.address, board.home / "small"
        self.lease_homes = (self.home,)
        self.put, self.get, self.close = board.put, board.get, board.close

    def run(self, argv: Sequence[str], *, timeout_s: float, stdin: str = "") -> Completed:
        return self._board.run(["env", f"PATH={PROGRAMS}", *argv], timeout_s=timeout_s, stdin=stdin)


@pytest.fixture
def small(board: Target) -> SmallTarget:
    return SmallTarget(board)


def test_busybox_alone_takes_pushes_whole_and_in_part(small: SmallTarget, tmp_path: Path) -> None:
    names = ("model", "words with space", "deep/er")
    files = {name: tmp_path / name.replace("/", "-") for name in names}
    for name, path in files.items():
        path.write_text(name)
    places = [push_files(small, files, kind="bundles")]
    files["model"].write_text("another")
    places.append(push_files(small, files, kind="bundles"))
    assert push_files(small, files, kind="bundles") == places[-1]
    for place, model in zip(places, ("model", "another"), strict=True):
        done = small.run(["cat", *(str(place / name) for name in names)], timeout_s=LIMIT_S)
        assert done.stdout == f"{model}words with spacedeep/er"
    links = small.run(["stat", "-c", "%h", *(str(places[1] / name) for name in names)], timeout_s=LIMIT_S)
    assert links.stdout.split() == ["1", "2", "2"]
    left = small.run(["ls", "-A", str(small.home / "bundles")], timeout_s=LIMIT_S).stdout.split()
    assert sorted(left) == sorted(place.name for place in places)


def test_busybox_alone_keeps_a_lease_and_has_its_link_measured(small: SmallTarget) -> None:
    with leased(small, "first"), pytest.raises(DeviceBusyError, match="first"), leased(small, "second"):
        pass
    with leased(small, "second"):
        found = measure_speeds(small)
    assert found.storage_write_mb_s is not None  # though its dd tells no time
    assert found.upload_mb_s > 0
    assert found.download_mb_s > 0


def test_a_board_is_the_one_its_profile_describes(board: Target) -> None:
    matches = identify(read_facts(board, IDENTITY), [load_profile(name) for name in profile_names()])
    assert [match.profile for match in matches] == ["raspberry-pi-4"]
    assert matches[0].differences == ("it has 1 GB of memory, not 2 GB",)  # as its [emulation] table says
