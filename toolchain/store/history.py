"""The history: every build and every measurement that was made, kept in a database.

In:  the documents of `edgewright build --json` and `edgewright bench --json`, whole.
Out: `HistoryEntry`: what a list of them shows and is searched by; and the documents again, by an entry's number.
SQLite in the platform's data directory unless `EDGEWRIGHT_HISTORY` names a file or an SQLAlchemy URL, such as a team's
PostgreSQL. What two entries have to say of each other is `report.compare`'s concern.
"""

from __future__ import annotations

import json
import logging
import os
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, Self

import sqlalchemy as sql
from filelock import FileLock
from sqlalchemy.exc import ArgumentError, DatabaseError, SQLAlchemyError

from edgewright.base.extras import need
from edgewright.base.places import data_dir
from edgewright.base.plausible import LONGEST_MS, MOST_BYTES, SHORTEST_MS
from edgewright.base.redacted import redacted
from edgewright.base.untrusted import parse_json
from edgewright.errors import InputError, InvalidFileError

log = logging.getLogger(__name__)

EntryKind = Literal["build", "bench"]
BUSY_S = 60  # that a writer waits for others
POSTGRESQL = ("postgresql", "postgresql+psycopg")
UPGRADE_LOCK = 0x65646765  # a number that only those who upgrade a history take, in PostgreSQL
LARGEST_NUMBER = 1 << 31  # of an entry, in any database
GIT_LIMIT_S = 5.0
COMMIT_VARIABLES = ("GITHUB_SHA", "CI_COMMIT_SHA")  # GitHub's and GitLab's, where there may be no .git
NEWEST = "1"  # revision of `migrations`
RANGES = {  # of what a device said, or whoever wrote into a shared database
    "p50_ms": (SHORTEST_MS, LONGEST_MS),  # or 0, as everywhere
    "peak_rss_bytes": (0, MOST_BYTES),
    "artifact_bytes": (0, MOST_BYTES),
    "score": (-1e6, 1e6),
}
COLUMNS = (
    "created", "kind", "name", "profile", "target", "runtime", "clock", "sha256", "commit", "p50_ms", "peak_rss_bytes",
    "artifact_bytes", "score", "stable",
)  # fmt: skip

_tables = sql.MetaData()  # as `migrations` makes them
_entries = sql.Table(
    "entries", _tables, sql.Column("id", sql.Integer, primary_key=True), *(sql.Column(name) for name in COLUMNS)
)
_documents = sql.Table("documents", _tables, sql.Column("entry_id", sql.Integer), sql.Column("content", sql.Text))
_versions = sql.Table("alembic_version", _tables, sql.Column("version_num"))


@dataclass(frozen=True, kw_only=True)
class HistoryEntry:
    """One build or measurement; a build's runtime, size and score are its best artifact's. None is not known."""

    id: int
    created: str
    kind: EntryKind
    name: str
    profile: str | None
    target: str | None
    runtime: str | None
    clock: str | None
    sha256: str | None
    commit: str | None
    p50_ms: float | None
    peak_rss_bytes: int | None
    artifact_bytes: int | None
    score: float | None
    stable: bool | None

    def document(self) -> dict[str, Any]:
        """As `edgewright history --json` prints it."""
        return asdict(self)


@dataclass(frozen=True, kw_only=True)
class Filter:
    """Which entries are wanted; None asks for nothing. A commit may be given by its first digits."""

    kind: EntryKind | None = None
    name: str | None = None
    target: str | None = None
    runtime: str | None = None
    commit: str | None = None
    sha256: str | None = None


class History:
    """An open history; close it, or use it in a `with`."""

    def __init__(self, url: str | None = None) -> None:
        """Open, and bring its schema up to this version's.

        Raises `InputError` where it cannot be opened, is damaged, or was written by a newer Edgewright; then nothing
        in it is changed.
        """
        self.url = _url_of(url or default_url())
        if self.url.drivername in POSTGRESQL:
            need(("psycopg",), purpose="keep the history in PostgreSQL", extra="postgresql")
        with _told(self.url):
            self._engine = sql.create_engine(self.url, connect_args=_arguments(self.url))
            if self.url.get_backend_name() == "sqlite":
                sql.event.listen(self._engine, "connect", _many_writers)
            try:
                _bring_up(self._engine, self.url)
            except BaseException:
                self.close()
                raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the database."""
        self._engine.dispose()

    def add(self, kind: EntryKind, document: Mapping[str, Any], *, commit: str | None = None) -> HistoryEntry:
        """Keep a document, whole or not at all."""
        created = datetime.now(UTC).isoformat(timespec="milliseconds")
        values = {"created": created, "kind": kind, "commit": commit, **_columns(kind, document)}
        content = json.dumps(document, ensure_ascii=False)
        with _told(self.url), self._engine.begin() as connection:
            made = connection.execute(sql.insert(_entries).values(values).returning(_entries.c.id))
            number = int(made.scalar_one())
            connection.execute(sql.insert(_documents).values(entry_id=number, content=content))
        return HistoryEntry(id=number, **values)

    def find(self, wanted: Filter | None = None, *, limit: int | None = None) -> list[HistoryEntry]:
        """The newest first."""
        query = sql.select(_entries).order_by(_entries.c.id.desc())
        for name, value in asdict(wanted or Filter()).items():
            if value is None:
                continue
            column = _entries.c[name]
            query = query.where(column.startswith(value, autoescape=True) if name == "commit" else column == value)
        with _told(self.url), self._engine.connect() as connection:
            rows = [dict(row) for row in connection.execute(query.limit(limit)).mappings()]
        return [_entry(row) for row in rows]

    def document(self, number: int) -> dict[str, Any]:
        """An entry's whole document. Raises `InputError` for a number that no entry has."""
        content = None
        if number < LARGEST_NUMBER:
            query = sql.select(_documents.c.content).where(_documents.c.entry_id == number)
            with _told(self.url), self._engine.connect() as connection:
                content = connection.execute(query).scalar()
        if content is None:
            raise InputError(f"the history has no entry {number}; `edgewright history list` shows those it has")
        found = parse_json(str(content), name=f"entry {number} of the history")
        if not isinstance(found, dict):
            raise InvalidFileError(f"entry {number} of the history", [("the whole document", "is no JSON object")])
        return found


def _entry(row: dict[str, Any]) -> HistoryEntry:
    """A row as an entry; of a figure that cannot be is said that it is not known, once, and its document is left."""
    for name, (least, most) in RANGES.items():
        value = row[name]
        if value and not (isinstance(value, int | float) and least <= value <= most):
            log.warning("warning: entry %s of the history has a %s that cannot be; it is left out", row["id"], name)
            row[name] = None
    return HistoryEntry(**row)


def default_url() -> str:
    """Where the history lies: as `EDGEWRIGHT_HISTORY` says, a URL or a file, or the platform's data directory."""
    said = os.environ.get("EDGEWRIGHT_HISTORY")
    if said and "://" in said:
        return said
    file = Path(said) if said else data_dir() / "history.sqlite"
    return f"sqlite:///{file.absolute()}"


def commit_here() -> str | None:
    """The commit that is built or measured: a CI's, or that of the working directory; None where there is none."""
    for name in COMMIT_VARIABLES:
        if said := os.environ.get(name):
            return said
    git = shutil.which("git")
    if git is None:
        return None
    try:
        asked = subprocess.run(
            [git, "rev-parse", "HEAD"], capture_output=True, text=True, timeout=GIT_LIMIT_S, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return asked.stdout.strip() if asked.returncode == 0 else None


def _columns(kind: EntryKind, document: Mapping[str, Any]) -> dict[str, Any]:
    artifact = _artifact(kind, document)
    shared = {
        "name": str(document.get("name") or document.get("bundle") or ""),
        "profile": document.get("profile"),
        "runtime": artifact.get("runtime"),
        "sha256": artifact.get("sha256"),
        "artifact_bytes": artifact.get("bytes"),
        "score": artifact.get("score", document.get("score")),
    }
    if kind == "build":
        return {**shared, **dict.fromkeys(("target", "clock", "p50_ms", "peak_rss_bytes", "stable"))}
    return {
        **shared,
        "target": document.get("target"),
        "clock": document.get("clock"),
        "p50_ms": (document.get("latency_ms") or {}).get("p50"),
        "peak_rss_bytes": document.get("peak_rss_bytes"),
        "stable": document.get("stable"),
    }


def _artifact(kind: EntryKind, document: Mapping[str, Any]) -> Mapping[str, Any]:
    if kind == "bench":
        found: Mapping[str, Any] = document.get("artifact") or {}
        return found
    best = document.get("best")
    return next((each for each in document.get("artifacts") or () if each.get("runtime") == best), {})


def _url_of(text: str) -> sql.URL:
    try:
        return sql.engine.make_url(text)
    except (
        ArgumentError,
        ValueError,
    ) as error:  # a port that is none is the latter; its text may hold a password, so that it is not shown
        raise InputError(
            "EDGEWRIGHT_HISTORY is no URL of a database; give a file, or one such as postgresql+psycopg://host/name"
        ) from error


def _arguments(url: sql.URL) -> dict[str, Any]:
    return {"timeout": BUSY_S} if url.get_backend_name() == "sqlite" else {}


def _many_writers(connection: Any, _record: Any) -> None:
    """Readers do not wait for a writer, and writers wait for each other."""
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA foreign_keys = ON")


def _bring_up(engine: sql.Engine, url: sql.URL) -> None:
    if url.get_backend_name() == "sqlite" and url.database not in (None, "", ":memory:"):
        _to_its_owner(Path(str(url.database)))
    with engine.connect() as connection:
        found = _revision(connection)
    if found == NEWEST:
        return  # without Alembic, which takes longer to import than most commands take
    if found is not None and found not in _known_revisions():
        raise InputError(
            f"the history at {_shown(url)} was written by a newer Edgewright (schema {found}, known is {NEWEST}); "
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
    found: str | None = connection.execute(sql.select(_versions.c.version_num)).scalar()
    return found


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
def _told(url: sql.URL) -> Iterator[None]:
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
