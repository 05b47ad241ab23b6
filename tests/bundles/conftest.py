"""Bundles of a few bytes for the tests of this room."""

from pathlib import Path

import pytest

from edgewright.bundles.bundle import write
from tests.bundles.made import fill, manifest


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EDGEWRIGHT_CACHE_DIR", str(tmp_path / "cache"))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write(tmp_path / "out" / "bundle", manifest, fill).path


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    return write(tmp_path / "out" / "bundle.zip", manifest, fill).path
