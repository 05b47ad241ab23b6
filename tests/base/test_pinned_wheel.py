"""Files of pinned wheels: fetched once by pip, and never taken where they are not what was pinned."""

import hashlib
import zipfile
from pathlib import Path

import pytest

from edgewright.base.pinned_wheel import PinnedWheel
from edgewright.errors import EnvironmentFaultError


@pytest.fixture
def index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of wheels that pip looks in alone, and an empty cache."""
    monkeypatch.setenv("EDGEWRIGHT_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path))
    return tmp_path


def wheel(folder: Path) -> PinnedWheel:
    path = folder / "some_data-1.0-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("some_data/table.bin", b"numbers")
        archive.writestr("some_data-1.0.dist-info/METADATA", "Metadata-Version: 2.1\nName: some-data\nVersion: 1.0\n")
        archive.writestr("some_data-1.0.dist-info/WHEEL", "Wheel-Version: 1.0\nTag: py3-none-any\n")
        archive.writestr("some_data-1.0.dist-info/RECORD", "")
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    return PinnedWheel(requirement="some-data==1.0", sha256=digest, licence="MIT")


def test_a_file_is_fetched_once(index: Path) -> None:
    pinned = wheel(index)
    first = pinned.file("some_data/table.bin", purpose="count")
    assert first.read_bytes() == b"numbers"
    (index / "some_data-1.0-py3-none-any.whl").unlink()
    assert pinned.file("some_data/table.bin", purpose="count") == first
    assert [path.name for path in first.parent.iterdir()] == ["table.bin"]


def test_another_digest_is_refused_and_nothing_is_left(index: Path) -> None:
    wheel(index)
    pinned = PinnedWheel(requirement="some-data==1.0", sha256="0" * 64, licence="MIT")
    with pytest.raises(EnvironmentFaultError, match=r"some-data==1.0 \(MIT\) is needed to count .* has the SHA-256"):
        pinned.file("some_data/table.bin", purpose="count")
    assert not list((index / "cache" / "data").glob("some-data*"))


def test_a_package_or_a_file_that_is_not_there_is_reported(index: Path) -> None:
    with pytest.raises(EnvironmentFaultError, match="check the network and pip's index settings"):
        PinnedWheel(requirement="no-such-data==1.0", sha256="0" * 64, licence="MIT").file("x", purpose="count")
    with pytest.raises(EnvironmentFaultError, match="no item named"):
        wheel(index).file("some_data/other.bin", purpose="count")
