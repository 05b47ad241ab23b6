"""A small but real bundle, built once by the command line, and the servers it is measured on."""

import csv
from pathlib import Path

import pytest

from edgewright.base.places import cache_dir
from edgewright.cli.main import main
from tests import tiny
from tests.targets.conftest import own_home, server, server_with_a_small_disk, start_server

__all__ = ["own_home", "server", "server_with_a_small_disk", "start_server"]


@pytest.fixture(scope="session")
def shared_cache() -> Path:
    """The user's own cache, found before a test moves the home directory: boards and runners are costly to make."""
    return cache_dir()


@pytest.fixture(autouse=True)
def kept_cache(shared_cache: Path, own_home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EDGEWRIGHT_CACHE_DIR", str(shared_cache))


@pytest.fixture(scope="session")
def recipe(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A search over sentences of which every answer shares its question's words."""
    folder = tmp_path_factory.mktemp("recipe")
    questions, answers = tiny.sentences(120, seed=1), tiny.sentences(120, seed=2)
    with (folder / "pairs.csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["question", "answer"])
        writer.writerows(
            (question, f"{question} {answer}") for question, answer in zip(questions, answers, strict=True)
        )
    path = folder / "tiny.toml"
    path.write_text(
        f"""
[recipe]
name = "tiny-search"
[model]
folder = "{tiny.bert_folder()}"
[task]
kind = "embedding"
max_length = {tiny.MAX_LENGTH}
[data]
file = "pairs.csv"
columns = {{ text = "question", pair = "answer" }}
[budget]
artifact_mb = 1
[stages.prune]
layers = 2
neurons = 32
[stages.distill]
epochs = 1
[stages.export]
lengths = [16]
""",
        encoding="utf-8",
    )
    return path


@pytest.fixture(scope="session")
def bundle(recipe: Path, shared_cache: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The bundle of that recipe for a Raspberry Pi 4."""
    place = tmp_path_factory.mktemp("bundle") / "tiny"
    assert main(["build", str(recipe), "--profile", "raspberry-pi-4", "-o", str(place)]) == 0
    return place
