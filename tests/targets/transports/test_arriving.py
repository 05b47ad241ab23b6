"""What comes from a device gets its name once it is whole, and never takes the place of a device node."""

import stat
from pathlib import Path

import pytest

from edgewright.errors import InputError, TransferError
from edgewright.targets.transports.arriving import arriving


def test_a_file_gets_its_name_once_all_is_there(tmp_path: Path) -> None:
    with arriving(tmp_path / "new" / "profile.etdp") as sink:
        sink.write(b"half")
        assert not (tmp_path / "new" / "profile.etdp").exists()
        sink.write(b" and whole")
    assert (tmp_path / "new" / "profile.etdp").read_bytes() == b"half and whole"
    assert len(list((tmp_path / "new").iterdir())) == 1


def test_what_breaks_off_leaves_nothing(tmp_path: Path) -> None:
    def broken() -> None:
        with arriving(tmp_path / "new" / "profile.etdp") as sink:
            sink.write(b"half")
            raise TransferError("gone")

    with pytest.raises(TransferError, match="gone"):
        broken()
    assert list((tmp_path / "new").iterdir()) == []


def test_a_device_node_stays_what_it_is(tmp_path: Path) -> None:
    with arriving(Path("/dev/null")) as sink:
        sink.write(b"nowhere")
    assert stat.S_ISCHR(Path("/dev/null").stat().st_mode)

    def full() -> None:
        with arriving(Path("/dev/full")) as sink:
            sink.write(b"too much")

    with pytest.raises(TransferError, match="/dev/full cannot be written"):
        full()
    with pytest.raises(InputError, match="is a folder"), arriving(tmp_path):
        pass
