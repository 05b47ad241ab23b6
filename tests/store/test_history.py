"""The history keeps what it is given, whole, from many writers, and never harms a database that is not its own."""

import json
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sql

from edgewright.errors import InputError, InvalidFileError
from edgewright.store import history as store
from edgewright.store.history import Filter, History, commit_here
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


def test_a_history_is_its_owners_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("EDGEWRIGHT_HISTORY", raising=False)
    monkeypatch.setenv("EDGEWRIGHT_DATA_DIR", str(tmp_path))
    with History() as history:
        history.add("build", BUILD)
        assert {file.stat().st_mode & 0o777 for file in tmp_path.glob("history.sqlite*")} == {0o600}
    (tmp_path / "history.sqlite").chmod(0o644)  # as it was made by an earlier version
    with History():
        assert (tmp_path / "history.sqlite").stat().st_mode & 0o777 == 0o600


def test_a_history_that_a_user_shares_keeps_its_mode(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EDGEWRIGHT_HISTORY", str(tmp_path / "team.sqlite"))
    with History():
        pass
    (tmp_path / "team.sqlite").chmod(0o664)
    with History():
        assert (tmp_path / "team.sqlite").stat().st_mode & 0o777 == 0o664


@pytest.mark.parametrize(
    ("column", "value"), [("p50_ms", 5e-324), ("p50_ms", 1e300), ("score", "high"), ("peak_rss_bytes", -7)]
)
def test_an_entry_with_a_figure_that_cannot_be_is_listed_without_it_and_told(
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


@pytest.mark.parametrize("content", [b"no database at all" * 100, b"SQLite format 3\x00" + b"\xff" * 4000])
def test_a_damaged_history_is_told_and_left_as_it_is(own_history: Path, content: bytes) -> None:
    own_history.parent.mkdir()
    own_history.write_bytes(content)
    with pytest.raises(InputError, match=r"history\.sqlite cannot be used: .*move it away"):
        History()
    assert own_history.read_bytes() == content


def test_a_history_of_a_newer_edgewright_is_told_and_left_as_it_is(own_history: Path) -> None:
    with History() as history:
        history.add("bench", bench())
    with sqlite3.connect(own_history) as connection:
        connection.execute("UPDATE alembic_version SET version_num = '99'")
    with pytest.raises(InputError, match=r"newer Edgewright \(schema 99, known is 1\); upgrade"):
        History()
    with sqlite3.connect(own_history) as connection:
        assert connection.execute("SELECT count(*) FROM entries").fetchone() == (1,)


RECORDED = sorted((Path(__file__).parents[1] / "recordings" / "history").glob("*.sql"))


def test_the_newest_schema_is_the_last_revision_there_is_and_each_is_recorded() -> None:
    from alembic.script import ScriptDirectory

    assert ScriptDirectory(store._scripts()).get_current_head() == store.NEWEST
    assert {file.stem for file in RECORDED} == store._known_revisions()


@pytest.mark.parametrize("recorded", RECORDED, ids=lambda file: file.stem)
def test_a_history_of_each_schema_there_was_comes_up_without_losing_an_entry(own_history: Path, recorded: Path) -> None:
    own_history.parent.mkdir()
    with sqlite3.connect(own_history) as connection:
        connection.executescript(recorded.read_text(encoding="utf-8"))
        before = connection.execute("SELECT entry_id, content FROM documents ORDER BY entry_id").fetchall()
    with History() as history:
        build, measurement = history.find()
        assert (build.kind, build.runtime, build.score) == ("build", "litert", 0.9)
        assert (measurement.kind, measurement.commit, measurement.stable) == ("bench", "3f2a91c", True)
        assert [(each.id, history.document(each.id)) for each in (measurement, build)] == [
            (number, json.loads(content)) for number, content in before
        ]
        assert history.add("bench", bench()).id == build.id + 1
    with sqlite3.connect(own_history) as connection:
        assert connection.execute("SELECT version_num FROM alembic_version").fetchall() == [(store.NEWEST,)]


NEXT_SCHEMA = """
import sqlalchemy as sql
from alembic import op

revision, down_revision, branch_labels, depends_on = "next", "{newest}", None, None


def upgrade():
    op.add_column("entries", sql.Column("board", sql.String(64)))
    op.execute("UPDATE entries SET name = name || '!'")
    {then}
"""


@pytest.fixture
def next_schema(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """An Edgewright whose schema has one more revision, which ends with a statement."""

    def upgraded(then: str) -> None:
        scripts = tmp_path / "migrations"
        shutil.copytree(store._scripts(), scripts)
        script = NEXT_SCHEMA.format(newest=store.NEWEST, then=then)
        (scripts / "versions" / "next.py").write_text(script, encoding="utf-8")
        monkeypatch.setattr(store, "_scripts", lambda: str(scripts))
        monkeypatch.setattr(store, "NEWEST", "next")

    return upgraded


def test_the_next_schema_keeps_what_this_one_has(next_schema: Callable[[str], None]) -> None:
    with History() as history:
        history.add("bench", bench())
    next_schema("pass")
    with History() as history:
        (kept,) = history.find()
        assert kept.name == "demo!"
        assert history.document(kept.id) == bench()


def test_an_upgrade_that_breaks_off_changes_nothing(
    own_history: Path, next_schema: Callable[[str], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    with History() as history:
        kept = history.add("bench", bench())
    with sqlite3.connect(own_history) as connection:
        before = list(connection.iterdump())
    next_schema('op.execute("SELECT 1 FROM nowhere")')
    with pytest.raises(InputError, match="nowhere"):
        History()
    with sqlite3.connect(own_history) as connection:
        assert list(connection.iterdump()) == before
    monkeypatch.undo()  # back to this Edgewright
    with History(f"sqlite:///{own_history}") as history:
        assert history.find() == [kept]


def test_a_full_disk_loses_nothing_that_was_there(monkeypatch: pytest.MonkeyPatch) -> None:
    with History() as history:
        kept = history.add("bench", bench())
        with history._engine.connect() as connection:
            pages = connection.execute(sql.text("PRAGMA page_count")).scalar_one()

    def small(connection: Any, _record: Any) -> None:
        connection.execute(f"PRAGMA max_page_count = {pages}")

    monkeypatch.setattr(store, "_many_writers", small)
    with History() as history:
        with pytest.raises(InputError, match="full"):
            history.add("bench", {**bench(), "more": "x" * 100_000})
        assert history.find() == [kept]
        assert history.document(kept.id) == bench()


def test_a_document_that_cannot_be_written_leaves_no_entry() -> None:
    with History() as history:
        with pytest.raises(TypeError):
            history.add("bench", {**bench(), "odd": object()})
        assert history.find() == []


def test_a_number_that_no_entry_has_is_told() -> None:
    with History() as history, pytest.raises(InputError, match=r"no entry 7; `edgewright history list`"):
        history.document(7)


@pytest.mark.parametrize("backend", ["postgresql+nothing", "no-database", "mysql"])
def test_an_error_never_shows_a_password(monkeypatch: pytest.MonkeyPatch, backend: str) -> None:
    monkeypatch.setenv("EDGEWRIGHT_HISTORY", f"{backend}://ann:secret@nowhere/x")
    with pytest.raises(InputError, match="EDGEWRIGHT_HISTORY") as caught:
        History()
    assert "secret" not in str(caught.value)


def test_the_commit_is_the_cis_or_the_working_directorys(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in store.COMMIT_VARIABLES:
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


def test_a_number_that_no_entry_can_have_is_told_as_one_that_none_has(own_history: Path) -> None:
    with History() as history, pytest.raises(InputError, match="the history has no entry 99999999999999999999999"):
        history.document(99999999999999999999999)


@pytest.mark.parametrize(
    "content", ["", "[1]", "{", "null", '{"a": NaN}', "[" * 10_000, '{"a": 1, "a": 2}', '{"a": "\\ud800"}', "9" * 5000]
)
def test_a_damaged_document_is_told_with_its_number(own_history: Path, content: str) -> None:
    with History() as history:
        number = history.add("bench", {"bundle": "x"}).id
    with closing(sqlite3.connect(own_history)) as database, database:
        database.execute("UPDATE documents SET content = ?", (content,))
    with History() as history, pytest.raises(InvalidFileError, match=f"entry {number} of the history has 1 fault"):
        history.document(number)
