from pathlib import Path

import pytest

from edgewright.errors import BoardError, EnvironmentFaultError
from edgewright.targets.board.disk_image import board_image, debian_mirror

SOURCES = """# URIs: http://commented.example/debian
Types: deb
URIs: http://mirror.example/debian
Suites: trixie trixie-updates
Components: main
Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg

Types: deb
URIs: http://mirror.example/debian-security
Suites: trixie-security
Components: main
"""


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.delenv("EDGEWRIGHT_DEBIAN_MIRROR", raising=False)
    monkeypatch.setenv("EDGEWRIGHT_CACHE_DIR", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.mark.parametrize(
    ("file", "text"),
    [
        ("sources.list.d/debian.sources", SOURCES),
        ("sources.list", "deb http://mirror.example/debian-security trixie-security main\n"
                         "deb [arch=amd64] http://mirror.example/debian trixie main contrib\n"),
    ],
)  # fmt: skip
def test_packages_come_from_the_machines_own_mirror(tmp_path: Path, file: str, text: str) -> None:
    (tmp_path / "sources.list.d").mkdir()
    (tmp_path / file).write_text(text)
    [line] = debian_mirror(tmp_path)
    assert line.endswith("http://mirror.example/debian bookworm main")


def test_a_machine_of_another_distribution_uses_the_default_mirror(tmp_path: Path) -> None:
    (tmp_path / "sources.list").write_text("deb http://archive.example/ubuntu noble main\n")
    assert debian_mirror(tmp_path) == ()


def test_the_environment_may_name_the_mirror(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EDGEWRIGHT_DEBIAN_MIRROR", "http://other.example/debian")
    assert debian_mirror(tmp_path)[0].endswith("http://other.example/debian bookworm main")


def test_missing_programs_are_all_named_with_their_packages(monkeypatch: pytest.MonkeyPatch, own_cache: Path) -> None:
    monkeypatch.setattr("shutil.which", lambda program, path=None: None)
    with pytest.raises(EnvironmentFaultError, match=r"apt-get install cpio e2fsprogs mmdebstrap.*`make`"):
        board_image()
    assert [path for path in (own_cache / "boards").iterdir() if path.suffix != ".lock"] == []


def test_a_mirror_that_does_not_answer_is_reported_and_nothing_half_made_stays(
    monkeypatch: pytest.MonkeyPatch, own_cache: Path
) -> None:
    monkeypatch.setenv("EDGEWRIGHT_DEBIAN_MIRROR", "http://127.0.0.1:9/debian")
    # Without the tools it fails there, as it should.
    monkeypatch.setattr("edgewright.targets.board.disk_image._require_tools", lambda: None)
    with pytest.raises(BoardError, match=r"mmdebstrap could not .*EDGEWRIGHT_DEBIAN_MIRROR") as caught:
        board_image()
    assert "\n" not in str(caught.value)
    assert [path for path in (own_cache / "boards").iterdir() if path.suffix != ".lock"] == []
