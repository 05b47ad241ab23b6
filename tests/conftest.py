"""What every test may use, and the quiet every test runs in."""

import os
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import settings

os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
os.environ.setdefault("HF_HUB_OFFLINE", "1")  # no test may depend on a network
settings.register_profile("untimed", deadline=None)  # nor on how busy the machine is
settings.load_profile("untimed")


@pytest.fixture(scope="session", autouse=True)
def history_of_this_session(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """For what is built once for several tests: the user's history is not for it, nor are boards that are up."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("EDGEWRIGHT_STATE_DIR", str(tmp_path_factory.mktemp("state")))
        patch.setenv("EDGEWRIGHT_HISTORY", str(tmp_path_factory.mktemp("history") / "history.sqlite"))
        patch.setenv("EDGEWRIGHT_DATA_DIR", str(tmp_path_factory.mktemp("data")))
        yield


@pytest.fixture(autouse=True)
def own_history(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where a test's builds, measurements and calibrations are kept: not among the user's."""
    file = tmp_path / "history" / "history.sqlite"
    monkeypatch.setenv("EDGEWRIGHT_HISTORY", str(file))
    monkeypatch.setenv("EDGEWRIGHT_DATA_DIR", str(tmp_path / "data"))
    return file


@pytest.fixture
def toml_file(tmp_path: Path) -> Callable[[str], Path]:
    """Write a TOML file and give its path."""

    def write(text: str) -> Path:
        path = tmp_path / "given.toml"
        path.write_text(text, encoding="utf-8")
        return path

    return write


@pytest.fixture(scope="module")
def own_places(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """A cache and a home for all tests of a module, sharing only the compiled runner; and short measurements."""
    from edgewright.base.places import cache_dir
    from edgewright.devices import host_latency

    cache = tmp_path_factory.mktemp("cache")
    (cache / "runners").symlink_to(cache_dir("runners"))
    quick = replace(host_latency.PROTOCOL, warmup_runs=2, warmup_s=0.0, samples=8, min_seconds=0.0)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("EDGEWRIGHT_CACHE_DIR", str(cache))
        patch.setenv("EDGEWRIGHT_HOME", str(tmp_path_factory.mktemp("home")))
        patch.setattr(host_latency, "PROTOCOL", quick)
        yield
