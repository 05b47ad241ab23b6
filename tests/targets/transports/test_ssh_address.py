"""Where an ssh:// address leads, and which addresses lead nowhere."""

from collections.abc import Callable
from contextlib import closing
from pathlib import Path, PurePosixPath

import pytest

from edgewright.errors import InputError
from edgewright.targets import open_target
from edgewright.targets.transports.ssh_address import read_address
from tests.targets.servers import Server


@pytest.mark.parametrize(
    "address",
    ["ssh://-oProxyCommand=x", "ssh://%2dl@board", "ssh://a%0ab@board", "ssh://@board", "ssh://a@%00", "ssh://board:022x",
     "ssh://board?folder=relative", "ssh://board?folder=/a/../b", "ssh://board?folder=%0a", "ssh://board?nonsense",
     "ssh://board#part"],
)  # fmt: skip
def test_an_address_with_what_no_host_user_or_folder_can_be_is_refused(address: str) -> None:
    with pytest.raises(InputError, match=r"write|must be an absolute path"):
        read_address(address)


def test_the_folder_of_an_inventory_is_where_a_device_is_written_to(
    server: Server, toml_file: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    from edgewright.devices.inventory import find_target
    from edgewright.errors import InvalidFileError

    folder = tmp_path / "data & more"
    folder.mkdir()
    path = toml_file(f'[targets.board]\naddress = "{server.address}"\nfolder = "{folder}"\n')
    monkeypatch.setenv("EDGEWRIGHT_TARGETS", str(path))
    with closing(open_target(find_target("board").only.address)) as target:
        assert target.home == PurePosixPath(folder) / ".edgewright"
    path.write_text(
        '[targets.board]\naddress = "local:"\nfolder = "/x"\n[targets.b]\naddress = "ssh://b"\nfolder = "x"\n'
    )
    with pytest.raises(InvalidFileError, match=r"for ssh:// addresses only.*must be an absolute path"):
        find_target("board")
