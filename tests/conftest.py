"""What every test may use, and the quiet every test runs in."""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
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
    with places(tmp_path_factory.mktemp("cache"), tmp_path_factory.mktemp("home")):
        yield


@pytest.fixture(scope="session")
def cache_of_stages(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the tests of the stages build on the tiny model: what one has made, the next takes from here."""
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(scope="module")
def places_of_stages(cache_of_stages: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """As `own_places`, with one cache for all tests of the stages."""
    with places(cache_of_stages, tmp_path_factory.mktemp("home")):
        yield


@contextmanager
def places(cache: Path, home: Path) -> Iterator[None]:
    from edgewright.base.places import cache_dir
    from edgewright.devices import host_latency

    if not (cache / "runners").is_symlink():
        (cache / "runners").symlink_to(cache_dir("runners"))
    quick = replace(host_latency.PROTOCOL, warmup_runs=2, warmup_s=0.0, samples=8, min_seconds=0.0)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("EDGEWRIGHT_CACHE_DIR", str(cache))
        patch.setenv("EDGEWRIGHT_HOME", str(home))
        patch.setattr(host_latency, "PROTOCOL", quick)
        yield


@pytest.fixture(scope="session")
def labelled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """120 texts of three labels, which their words give away."""
    from tests.stages import builds

    return builds.labelled_texts(tmp_path_factory.mktemp("data"))


@pytest.fixture(scope="session")
def paired(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Questions, and answers that share their words."""
    from tests.stages import builds

    return builds.paired_texts(tmp_path_factory.mktemp("data"))


@pytest.fixture(scope="session")
def valued(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """120 texts and a value of each."""
    from tests.stages import builds

    return builds.valued_texts(tmp_path_factory.mktemp("data"))


@pytest.fixture(scope="session")
def tagged(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Sentences whose words are of a label each or of none."""
    from tests.stages import builds

    return builds.tagged_texts(tmp_path_factory.mktemp("data"))
