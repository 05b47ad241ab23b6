"""The database of the history: brought up to the newest schema, and left as it is where it cannot be used."""

import json
import shutil
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sql

from edgewright.errors import InputError
from edgewright.store import database as store
from edgewright.store.history import History
from tests.report.documents import bench
from tests.store.test_history import BUILD


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


@pytest.mark.parametrize("content", [b"no database at all" * 100, b"SQLite format 3\x00" + b"\xff" * 4000])
def test_a_damaged_history_is_reported_and_left_as_it_is(own_history: Path, content: bytes) -> None:
    own_history.parent.mkdir()
    own_history.write_bytes(content)
    with pytest.raises(InputError, match=r"history\.sqlite cannot be used: .*move it away"):
        History()
    assert own_history.read_bytes() == content


def test_a_history_of_a_newer_edgewright_is_reported_and_left_as_it_is(own_history: Path) -> None:
    with History() as history:
        history.add("bench", bench())
    with sqlite3.connect(own_history) as connection:
        connection.execute("UPDATE alembic_version SET version_num = '99'")
    with pytest.raises(InputError, match=rf"newer Edgewright \(schema 99, known is {store.NEWEST}\); upgrade"):
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


@pytest.mark.parametrize("backend", ["postgresql+nothing", "no-database", "mysql"])
def test_an_error_never_shows_a_password(monkeypatch: pytest.MonkeyPatch, backend: str) -> None:
    monkeypatch.setenv("EDGEWRIGHT_HISTORY", f"{backend}://ann:secret@nowhere/x")
    with pytest.raises(InputError, match="EDGEWRIGHT_HISTORY") as caught:
        History()
    assert "secret" not in str(caught.value)
