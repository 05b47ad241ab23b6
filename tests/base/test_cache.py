"""Stage results: made once, whole or not at all, whatever happens in between."""

import json
import subprocess
import sys
import time
from collections.abc import Callable
from importlib import metadata
from pathlib import Path

import pytest

from edgewright.base import cache, places
from edgewright.base.cache import stage

ROOT = Path(__file__).parents[2]


@pytest.fixture(autouse=True)
def shelf(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("EDGEWRIGHT_CACHE_DIR", str(tmp_path / "cache"))
    return tmp_path / "cache" / "stages"


def writing(text: str, calls: list[str] | None = None) -> Callable[[Path], None]:
    def make(folder: Path) -> None:
        if calls is not None:
            calls.append(text)
        (folder / "file").write_text(text)

    return make


def results_in(shelf: Path, name: str = "trim") -> list[Path]:
    """Everything there but the locks."""
    folder = shelf / name
    return [path for path in folder.iterdir() if path.suffix != ".lock"] if folder.is_dir() else []


def test_the_same_inputs_are_made_once() -> None:
    calls: list[str] = []
    first = stage("trim", {"size": 3, "of": [1, 2]}, writing("one", calls))
    second = stage("trim", {"of": [1, 2], "size": 3}, writing("two", calls))
    assert calls == ["one"]
    assert (first.cached, second.cached) == (False, True)
    assert (first.key, first.folder) == (second.key, second.folder)
    assert (second.folder / "file").read_text() == "one"
    assert second.made_in_seconds == first.made_in_seconds


@pytest.mark.parametrize(("name", "inputs"), [("trim", {"size": 4}), ("trim", {}), ("prune", {"size": 3})])
def test_other_inputs_or_another_stage_are_made_anew(name: str, inputs: dict[str, int]) -> None:
    before = stage("trim", {"size": 3}, writing("one"))
    after = stage(name, inputs, writing("two"))
    assert not after.cached
    assert after.key != before.key
    assert (after.folder / "file").read_text() == "two"


def test_another_version_of_a_stage_makes_another_result() -> None:
    before = stage("trim", {}, writing("one"), version=1)
    after = stage("trim", {}, writing("two"), version=2)
    assert not after.cached
    assert after.key != before.key
    assert stage("trim", {}, writing("one"), version=1).cached


def test_another_version_of_a_package_makes_anew_what_it_shapes_and_nothing_else(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    stage("float", {}, writing("one"), packages=cache.MODEL_PACKAGES)
    stage("exported", {}, writing("one"), packages=cache.ARTIFACT_PACKAGES)
    installed = metadata.version
    monkeypatch.setattr(metadata, "version", lambda name: "99" if name == "executorch" else installed(name))
    assert stage("float", {}, writing("two"), packages=cache.MODEL_PACKAGES).cached
    assert not stage("exported", {}, writing("two"), packages=cache.ARTIFACT_PACKAGES).cached


def test_a_package_that_is_absent_is_a_version_of_its_own() -> None:
    assert not stage("trim", {}, writing("one"), packages=("no-such-package",)).cached
    assert stage("trim", {}, writing("two"), packages=("no-such-package",)).cached


def test_a_result_records_its_inputs_and_seconds(shelf: Path) -> None:
    result = stage("trim", {"size": 3, "file": Path("a/b")}, writing("one"))
    record = json.loads((result.folder / "stage.json").read_text())
    assert record["inputs"] == {"size": 3, "file": "a/b"}
    assert record["seconds"] == result.made_in_seconds >= 0
    assert results_in(shelf) == [result.folder]


@pytest.mark.parametrize("fault", [RuntimeError("crash"), KeyboardInterrupt(), SystemExit(143)])
def test_a_crash_leaves_nothing_and_the_next_run_makes_it(shelf: Path, fault: BaseException) -> None:
    def crash(folder: Path) -> None:
        (folder / "half").write_text("written")
        raise fault

    finished = stage("texts", {}, writing("kept"))
    with pytest.raises(type(fault)):
        stage("trim", {"size": 3}, crash)
    assert results_in(shelf) == []
    assert stage("texts", {}, writing("again")).cached
    assert finished.folder.is_dir()
    result = stage("trim", {"size": 3}, writing("whole"))
    assert not result.cached
    assert sorted(path.name for path in result.folder.iterdir()) == ["file", "stage.json"]


PROCESS = """
import sys, time
from pathlib import Path
from edgewright.base.cache import stage

def make(folder):
    with open(sys.argv[1], "a") as log:
        log.write("made\\n")
    time.sleep(float(sys.argv[2]))
    (folder / "file").write_text("whole")

result = stage("trim", {"size": 3}, make)
print((result.folder / "file").read_text(), result.cached)
"""


def start(log: Path, seconds: float) -> "subprocess.Popen[str]":
    command = [sys.executable, "-c", PROCESS, str(log), str(seconds)]
    return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)


def test_processes_that_ask_at_once_make_it_once(tmp_path: Path) -> None:
    log = tmp_path / "log"
    processes = [start(log, 0.5) for _ in range(4)]
    said = sorted(process.communicate(timeout=60)[0].strip() for process in processes)
    assert log.read_text() == "made\n"
    assert said == ["whole False", "whole True", "whole True", "whole True"]


def test_a_process_killed_while_making_holds_up_no_other(tmp_path: Path) -> None:
    log = tmp_path / "log"
    killed = start(log, 60)
    deadline = time.monotonic() + 30
    while not (log.exists() and log.read_text()):  # the file is there before its line is
        assert time.monotonic() < deadline
        time.sleep(0.02)
    killed.kill()
    killed.communicate()
    assert start(log, 0).communicate(timeout=30)[0].strip() == "whole False"
    assert log.read_text() == "made\nmade\n"


def test_the_cache_lies_where_the_environment_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert places.cache_dir("a", "b") == tmp_path / "cache" / "a" / "b"
    assert places.cache_dir("a", "b").is_dir()
    monkeypatch.delenv("EDGEWRIGHT_CACHE_DIR")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    assert places.cache_dir("a") == tmp_path / "xdg" / "edgewright" / "a"


def cut_short(folder: Path) -> None:
    (folder / "file").write_text("on")


def altered(folder: Path) -> None:
    (folder / "file").write_text("0ne")


def missing(folder: Path) -> None:
    (folder / "file").unlink()


def without_record(folder: Path) -> None:
    (folder / "stage.json").unlink()


def with_half_a_record(folder: Path) -> None:
    (folder / "stage.json").write_text('{"inputs": {')


def with_a_record_of_another_form(folder: Path) -> None:
    (folder / "stage.json").write_text('{"inputs": {}, "seconds": "long"}')


@pytest.mark.parametrize(
    "damage", [cut_short, altered, missing, without_record, with_half_a_record, with_a_record_of_another_form]
)
def test_a_kept_result_that_cannot_be_read_is_set_aside_with_a_warning_and_made_again(
    shelf: Path, damage: Callable[[Path], None], caplog: pytest.LogCaptureFixture
) -> None:
    result = stage("trim", {"size": 3}, writing("one"))
    damage(result.folder)
    again = stage("trim", {"size": 3}, writing("one"))
    assert not again.cached
    assert (again.folder / "file").read_text() == "one"
    assert "the kept result of the stage trim cannot be used" in caplog.text
    assert stage("trim", {"size": 3}, writing("one")).cached
