"""The history keeps what it is given, whole, from many writers, and never harms a database that is not its own."""

import json
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest
import sqlalchemy as sql

from edgewright.errors import InputError, InvalidFileError
from edgewright.store.history import COMMIT_VARIABLES, Filter, History, commit_here
from tests.measure.generation_examples import generation_measurement
from tests.report.documents import bench

BUILD = {
    "bundle": "build/demo",
    "name": "demo",
    "profile": "raspberry-pi-4",
    "best": "litert",
    "artifacts": [
        {"runtime": "executorch", "bytes": 5, "score": 0.8, "sha256": "a" * 64},
        {"runtime": "litert", "bytes": 6, "score": 0.9, "sha256": "b" * 64},
    ],
}
WRITER = """
import json, sys
from edgewright.store.history import History
for number in range(int(sys.argv[2])):
    with History() as history:
        history.add("bench", {**json.loads(sys.argv[1]), "name": f"{sys.argv[3]}-{number}"})
"""


def test_an_entry_has_what_a_list_shows_and_the_whole_document_comes_back() -> None:
    document = bench()
    with History() as history:
        made = history.add("bench", document, commit="3f2a91c")
        assert history.find() == [made]
        assert history.document(made.id) == document
    assert (made.kind, made.name, made.runtime, made.target) == ("bench", "demo", "executorch", document["target"])
    assert (made.p50_ms, made.score, made.stable) == (document["latency_ms"]["p50"], 0.912, True)
    assert made.created.endswith("+00:00")


def test_how_soon_and_how_fast_an_artifact_writes_is_listed_with_it() -> None:
    document = {**bench(), **generation_measurement().document()}
    with History() as history:
        plain, made = history.add("bench", bench()), history.add("bench", document)
        assert history.find(limit=1) == [made]
    assert (made.first_token_ms, made.tokens_per_second) == (80.0, 50.0)
    assert plain.first_token_ms is plain.tokens_per_second is None
    counted = {**bench(), **generation_measurement(clock="instructions", emulated=True).document()}
    with History() as history:
        assert history.add("bench", counted).tokens_per_second is None


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("tokens_per_second", 1e300),
        ("first_token_ms", -1),
        ("p50_ms", 5e-324),
        ("p50_ms", 1e300),
        ("score", "high"),
        ("peak_rss_bytes", -7),
    ],
)
def test_an_entry_with_a_figure_that_cannot_be_is_listed_without_it_and_reported(
    column: str, value: object, caplog: pytest.LogCaptureFixture
) -> None:
    with History() as history:
        history.add("bench", bench())
        sound = history.add("bench", bench())
        with history._engine.begin() as connection:
            connection.execute(sql.text(f"UPDATE entries SET {column} = :value WHERE id = 1"), {"value": value})
        newest, damaged = history.find()
        assert newest == sound
        assert getattr(damaged, column) is None
        assert f"entry 1 of the history has a {column} that cannot be" in caplog.text


@pytest.mark.parametrize("content", ["", "{", "[]", "7", "[" * 100_000, '{"latency_ms": NaN}'])
def test_a_document_that_was_damaged_is_the_users_to_know(content: str) -> None:
    with History() as history:
        made = history.add("bench", bench())
        with history._engine.begin() as connection:
            connection.execute(sql.text("UPDATE documents SET content = :content"), {"content": content})
        with pytest.raises(InputError, match=f"entry {made.id} of the history"):
            history.document(made.id)


def test_a_build_is_listed_by_its_best_artifact() -> None:
    with History() as history:
        made = history.add("build", BUILD)
    assert (made.runtime, made.artifact_bytes, made.score, made.sha256) == ("litert", 6, 0.9, "b" * 64)
    assert made.p50_ms is made.target is made.stable is None


def test_entries_come_newest_first_and_by_what_is_asked_for() -> None:
    with History() as history:
        history.add("build", BUILD, commit="aaa111")
        for name, runtime, target in (("demo", "litert", "local:"), ("other", "executorch", "ssh://pi@x")):
            changes = {"name": name, "target": target, "artifact": {**bench()["artifact"], "runtime": runtime}}
            history.add("bench", bench(**changes), commit="bbb222")
        assert [each.name for each in history.find()] == ["other", "demo", "demo"]
        assert [each.id for each in history.find(limit=1)] == [3]
        for wanted, numbers in (
            (Filter(kind="bench"), [3, 2]),
            (Filter(name="demo"), [2, 1]),
            (Filter(target="local:"), [2]),
            (Filter(runtime="executorch"), [3]),
            (Filter(commit="aaa"), [1]),
            (Filter(commit="%"), []),
            (Filter(sha256="b" * 64), [1]),
            (Filter(kind="build", runtime="executorch"), []),
        ):
            assert [each.id for each in history.find(wanted)] == numbers, wanted


def test_it_is_kept_from_one_opening_to_the_next(own_history: Path) -> None:
    for number in (1, 2, 3):
        with History() as history:
            assert history.add("bench", bench()).id == number
    assert own_history.is_file()


def test_many_processes_that_write_at_once_lose_nothing() -> None:
    command = [sys.executable, "-c", WRITER, json.dumps(bench()), "5"]
    writers = [subprocess.Popen([*command, str(each)]) for each in range(6)]
    assert [writer.wait(120) for writer in writers] == [0] * len(writers)
    with History() as history:
        entries = history.find()
        assert {each.name for each in entries} == {f"{writer}-{number}" for writer in range(6) for number in range(5)}
        assert all(history.document(each.id)["name"] == each.name for each in entries)


def test_a_document_that_cannot_be_written_leaves_no_entry() -> None:
    with History() as history:
        with pytest.raises(TypeError):
            history.add("bench", {**bench(), "odd": object()})
        assert history.find() == []


def test_a_number_that_no_entry_has_is_reported() -> None:
    with History() as history, pytest.raises(InputError, match=r"no entry 7; `edgewright history list`"):
        history.document(7)


def test_the_commit_is_the_cis_or_the_working_directorys(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in COMMIT_VARIABLES:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)
    assert commit_here() is None
    identity = ["-c", "user.name=a", "-c", "user.email=a@b"]
    for arguments in (["init", "-q"], [*identity, "commit", "-q", "--allow-empty", "-m", "x"]):
        subprocess.run(["git", *arguments], check=True, cwd=tmp_path)
    found = commit_here()
    assert found is not None
    assert len(found) == 40
    monkeypatch.setenv("GITHUB_SHA", "f" * 40)
    assert commit_here() == "f" * 40
    monkeypatch.delenv("GITHUB_SHA")
    monkeypatch.setenv("PATH", "")
    assert commit_here() is None


def test_a_number_that_no_entry_can_have_is_reported_as_one_that_none_has(own_history: Path) -> None:
    with History() as history, pytest.raises(InputError, match="the history has no entry 99999999999999999999999"):
        history.document(99999999999999999999999)


@pytest.mark.parametrize(
    "content", ["", "[1]", "{", "null", '{"a": NaN}', "[" * 10_000, '{"a": 1, "a": 2}', '{"a": "\\ud800"}', "9" * 5000]
)
def test_a_damaged_document_is_reported_with_its_number(own_history: Path, content: str) -> None:
    with History() as history:
        number = history.add("bench", {"bundle": "x"}).id
    with closing(sqlite3.connect(own_history)) as database, database:
        database.execute("UPDATE documents SET content = ?", (content,))
    with History() as history, pytest.raises(InvalidFileError, match=f"entry {number} of the history has 1 fault"):
        history.document(number)
