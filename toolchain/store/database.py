"""The database of the history: where it lies, and its schema brought up to the newest of `migrations`.

In:  the address that `EDGEWRIGHT_HISTORY` gives, or the platform's data directory.
Out: an engine that many processes may write by, or an `InputError` that says why not, without secrets.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Protocol

import sqlalchemy as sql
from filelock import FileLock
from sqlalchemy.exc import ArgumentError, DatabaseError, SQLAlchemyError

from edgewright.base.extras import need
from edgewright.base.places import data_dir
from edgewright.base.redacted import redacted
from edgewright.errors import InputError

BUSY_S = 60  # that a writer waits for others
POSTGRESQL = ("postgresql", "postgresql+psycopg")
UPGRADE_LOCK = 0x65646765  # a number that only those who upgrade a history take, in PostgreSQL
NEWEST = "2"  # revision of `migrations`
_versions = sql.Table("alembic_version", sql.MetaData(), sql.Column("version_num"))


def default_url() -> str:
    """Where the history lies: as `EDGEWRIGHT_HISTORY` says, a URL or a file, or the platform's data directory."""
    url = os.environ.get("EDGEWRIGHT_HISTORY")
    if url and "://" in url:
        return url
    file = Path(url) if url else data_dir() / "history.sqlite"
    return f"sqlite:///{file.absolute()}"


def url_of(text: str) -> sql.URL:
    """A database's address. Raises `InputError` for what is none."""
    try:
        return sql.engine.make_url(text)
    except (
        ArgumentError,
        ValueError,
    ) as error:  # a port that is none is the latter; its text may hold a password, so that it is not shown
        raise InputError(
            "EDGEWRIGHT_HISTORY is no URL of a database; give a file, or one such as postgresql+psycopg://host/name"
        ) from error


def _arguments(url: sql.URL) -> dict[str, int]:
    return {"timeout": BUSY_S} if url.get_backend_name() == "sqlite" else {}


class _Executing(Protocol):
    """A connection of sqlite3, as far as it is used."""

    def execute(self, statement: str, /) -> object: ...


def _many_writers(connection: _Executing, _record: object) -> None:
    """Readers do not wait for a writer, and writers wait for each other."""
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA foreign_keys = ON")


def opened(url: sql.URL) -> sql.Engine:
    """The database with its schema brought up to this version's. Raises `InputError` as `History` does."""
    if url.drivername in POSTGRESQL:
        need(("psycopg",), purpose="keep the history in PostgreSQL", extra="postgresql")
    with refusals(url):
        engine = sql.create_engine(url, connect_args=_arguments(url))
        if url.get_backend_name() == "sqlite":
            sql.event.listen(engine, "connect", _many_writers)
        try:
            _bring_up(engine, url)
        except BaseException:
            engine.dispose()
            raise
    return engine


def _bring_up(engine: sql.Engine, url: sql.URL) -> None:
    if url.get_backend_name() == "sqlite" and url.database not in (None, "", ":memory:"):
        _to_its_owner(Path(str(url.database)))
    with engine.connect() as connection:
        revision = _revision(connection)
    if revision == NEWEST:
        return  # without Alembic, which takes longer to import than most commands take
    if revision is not None and revision not in _known_revisions():
        raise InputError(
            f"the history at {_shown(url)} was written by a newer Edgewright (schema {revision}, known is {NEWEST}); "
            "upgrade this one, or set EDGEWRIGHT_HISTORY to another place"
        )
    with _alone(url):
        _upgrade(engine)


def _to_its_owner(file: Path) -> None:
    """Make the file one that nobody else reads, where it is new, or ours alone: not one that a user named.

    What SQLite puts beside it has the same mode.
    """
    file.parent.mkdir(parents=True, exist_ok=True)
    with suppress(FileExistsError):
        os.close(os.open(file, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
        return
    if not os.environ.get("EDGEWRIGHT_HISTORY") and file == data_dir() / "history.sqlite":
        for each in (file, *file.parent.glob(f"{file.name}-*")):
            with suppress(OSError):  # it may be another user's, who lets us write
                each.chmod(0o600)


def _revision(connection: sql.Connection) -> str | None:
    """Of the schema that is there; None where there is none."""
    if not sql.inspect(connection).has_table(_versions.name):
        return None
    revision: str | None = connection.execute(sql.select(_versions.c.version_num)).scalar()
    return revision


def _known_revisions() -> set[str]:
    from alembic.script import ScriptDirectory

    return {each.revision for each in ScriptDirectory(_scripts()).walk_revisions()}


def _upgrade(engine: sql.Engine) -> None:
    """To the newest schema, whole or not at all, by one process alone."""
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", _scripts().replace("%", "%%"))
    with engine.begin() as connection:
        if engine.dialect.name == "sqlite":  # whose driver would begin no transaction before it changes a table
            connection.exec_driver_sql("BEGIN IMMEDIATE")
        elif engine.dialect.name == "postgresql":
            connection.execute(sql.select(sql.func.pg_advisory_xact_lock(UPGRADE_LOCK)))
        if _revision(connection) == NEWEST:
            return  # by another process, meanwhile
        config.attributes["connection"] = connection
        command.upgrade(config, "head")


def _scripts() -> str:
    return str(Path(__file__).parent / "migrations")


@contextmanager
def _alone(url: sql.URL) -> Iterator[None]:
    """Among the processes of this machine, where the database is a file."""
    if url.get_backend_name() != "sqlite" or not url.database:
        yield
        return
    file = Path(url.database)
    with FileLock(file.with_name(f".{file.name}.lock")):
        yield


@contextmanager
def refusals(url: sql.URL) -> Iterator[None]:
    """A database's refusals as one error with its place."""
    try:
        yield
    except DatabaseError as error:
        raise InputError(
            f"the history at {_shown(url)} cannot be used: {error.orig}; if it is damaged, move it away, or set "
            "EDGEWRIGHT_HISTORY to another place"
        ) from error
    except (SQLAlchemyError, ImportError, ValueError) as error:  # the last for options of a wrong form
        raise InputError(f"the history at {_shown(url)} cannot be opened: {error}; check EDGEWRIGHT_HISTORY") from error


def _shown(url: sql.URL) -> str:
    """Without its secrets."""
    return url.database or "memory" if url.get_backend_name() == "sqlite" else redacted(url.render_as_string())
