"""The cache is told by kind, swept by age and size, and loses nothing that is not an entry of ours."""

import json
import os
import time
from pathlib import Path

import pytest

from edgewright.base.housekeeping import DAY_S, KINDS, CacheLimits, clear, entries, sweep, sweep_once_a_day
from edgewright.base.once import made_once, unfinished_folder
from edgewright.cli.main import main
from edgewright.errors import InputError, UnknownNameError

MARKS = {"stages": "stage.json", "bundles": "manifest.json", "boards": "vmlinuz"}
NAMES = {
    "stages": "teacher/{0:032x}", "training": "{0:032x}", "trackers": "run-{0}", "calibrations": "{0:016x}",
    "bundles": "{0:032x}", "boards": "{0:016x}", "runtimes": "litert-2.3-{0}", "runners": "aarch64-{0:08x}",
    "wheels": "numpy-{0}.0-aarch64-py3.11", "sdk": "executorch-1.5.{0}-aarch64",
    "data": "some-data-1.0-{0:016x}-table.bin",
}  # fmt: skip


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("EDGEWRIGHT_CACHE_DIR", str(tmp_path / "cache"))
    return tmp_path / "cache"


def entry(cache: Path, kind: str, *, number: int = 1, days: float = 0, size: int = 1000) -> Path:
    place = cache / kind / NAMES[kind].format(number)
    place.mkdir(parents=True)
    (place / MARKS.get(kind, "content")).write_bytes(bytes(size))
    used = time.time() - days * DAY_S
    os.utime(place, (used, used))
    return place


def test_every_kind_of_entry_is_counted_with_its_size(cache: Path) -> None:
    for kind in KINDS:
        entry(cache, kind)
    assert {each.kind: each.bytes for each in entries()} == dict.fromkeys(KINDS, 1000)
    assert [each.kind for each in entries(("bundles",))] == ["bundles"]
    with pytest.raises(UnknownNameError, match="there is no kind of cache entry 'bundle'; did you mean bundles"):
        entries(("bundle",))


def test_what_is_not_ours_is_neither_counted_nor_removed(cache: Path, tmp_path: Path) -> None:
    """Someone set the cache to a folder that is full of other things."""
    theirs = [
        cache / "thesis.tex", cache / "photos" / "a.jpg", cache / "bundles" / "winter" / "a.jpg",
        cache / "bundles" / ("0" * 32) / "no-manifest.txt", cache / "stages" / "one" / "notes.txt",
        cache / "training" / "marathon" / "plan.txt", cache / "stages" / ".unfinished-symphony" / "score.txt",
        tmp_path / "elsewhere" / "stage.json",
    ]  # fmt: skip
    for file in theirs:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text("mine")
    (cache / "stages" / "one" / ("a" * 32)).symlink_to(tmp_path / "elsewhere")
    ours = entry(cache, "bundles", number=2)
    gone, _ = clear()
    assert [each.folder for each in gone] == [ours]
    assert all(file.read_text() == "mine" for file in theirs)


def test_what_was_not_used_for_long_goes_and_then_what_was_used_longest_ago(cache: Path) -> None:
    old = entry(cache, "stages", number=1, days=100)
    middle = entry(cache, "bundles", number=2, days=20, size=5000)
    younger = entry(cache, "runtimes", number=3, days=10, size=5000)
    today = entry(cache, "sdk", number=4, size=50_000)
    gone, _ = sweep(CacheLimits(bytes=60_000, days=90))
    assert [each.folder for each in gone] == [old]
    gone, _ = sweep(CacheLimits(bytes=56_000, days=90))
    assert [each.folder for each in gone] == [middle]
    gone, _ = sweep(CacheLimits(bytes=10, days=90))
    assert [each.folder for each in gone] == [younger]
    assert today.is_dir()  # a build may be at work with it


def test_an_entry_that_is_used_is_young_again(cache: Path) -> None:
    place = entry(cache, "stages", days=100)
    made_once(place, lambda _: pytest.fail("it is there"))
    assert sweep(CacheLimits(bytes=1e9, days=90))[0] == []


def test_it_is_swept_once_a_day_by_the_limits_that_are_set(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    entry(cache, "stages", days=20)
    monkeypatch.setenv("EDGEWRIGHT_CACHE_DAYS", "10")
    assert sweep_once_a_day() == 1000
    entry(cache, "stages", number=2, days=20)
    assert sweep_once_a_day() == 0
    os.utime(cache / ".swept", (0, 0))
    assert sweep_once_a_day() == 1000
    monkeypatch.setenv("EDGEWRIGHT_CACHE_GB", "much")
    with pytest.raises(InputError, match="EDGEWRIGHT_CACHE_GB must be a number, not 'much'; set it to a number, or"):
        CacheLimits.set_here()


def test_everything_is_not_removed_from_under_a_build(cache: Path) -> None:
    place = entry(cache, "stages")
    with unfinished_folder(place.parent):
        with pytest.raises(InputError, match="teacher is being made in the cache by another command"):
            clear()
        clear(older_than_days=1)
        assert place.is_dir()
    clear()
    assert not place.exists()
    assert not list(place.parent.glob(".unfinished-*"))


def test_what_killed_processes_left_goes_too(cache: Path) -> None:
    left = entry(cache, "stages").parent / ".unfinished-abcd1234"
    left.mkdir()
    (left / "half").write_bytes(bytes(7))
    os.utime(left, (0, 0))
    assert clear(("bundles",))[1] == 7
    assert not left.exists()


def test_the_verb_tells_sizes_and_clears(cache: Path, capsys: pytest.CaptureFixture[str]) -> None:
    entry(cache, "stages", days=40)
    entry(cache, "bundles", number=2, size=3_000_000)
    assert main(["cache", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["bytes"] == 3_001_000
    assert {each["kind"]: each["entries"] for each in told["kinds"] if each["entries"]} == {"stages": 1, "bundles": 1}
    assert told["limits"] == {"bytes": 50e9, "days": 90.0}
    assert main(["cache"]) == 0
    assert "unpacked .zip bundles" in capsys.readouterr().out.replace("\n", " ")
    assert main(["cache", "clear", "--older-than", "30", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {
        "removed": {"stages": 1}, "unfinished_bytes": 0, "freed_bytes": 1000
    }  # fmt: skip
    assert main(["cache", "clear", "--kind", "bundle"]) == 2
    capsys.readouterr()
    assert main(["cache", "clear", "--kind", "bundles"]) == 0
    assert capsys.readouterr().out == "1 entries were removed, 3.0 MB are free again\n"
    assert entries() == []
    assert main(["cache", "sweep"]) == 0
