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
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from types import TracebackType
from typing import Any, Literal, Self, TypedDict

import sqlalchemy as sql

from edgewright.base.fields import Fields
from edgewright.base.json_values import JsonObject
from edgewright.base.plausible import LONGEST_MS, MOST_BYTES, SHORTEST_MS
from edgewright.base.untrusted import parse_json
from edgewright.errors import InputError, InvalidFileError
from edgewright.store.database import default_url, opened, refusals, url_of

log = logging.getLogger(__name__)

EntryKind = Literal["build", "bench"]
LARGEST_NUMBER = 1 << 31  # of an entry, in any database
GIT_LIMIT_S = 5.0
COMMIT_VARIABLES = ("GITHUB_SHA", "CI_COMMIT_SHA")  # GitHub's and GitLab's, where there may be no .git
RANGES = {  # of what a device said, or whoever wrote into a shared database
    "p50_ms": (SHORTEST_MS, LONGEST_MS),  # or 0, as everywhere
    "peak_rss_bytes": (0, MOST_BYTES),
    "artifact_bytes": (0, MOST_BYTES),
    "score": (-1e6, 1e6),
    "first_token_ms": (SHORTEST_MS, LONGEST_MS),
    "tokens_per_second": (1e3 / LONGEST_MS, 1e3 / SHORTEST_MS),
}
COLUMNS = (
    "created", "kind", "name", "profile", "target", "runtime", "clock", "sha256", "commit", "p50_ms", "peak_rss_bytes",
    "artifact_bytes", "score", "stable", "first_token_ms", "tokens_per_second",
)  # fmt: skip

_tables = sql.MetaData()  # as `migrations` makes them
_entries = sql.Table(
    "entries", _tables, sql.Column("id", sql.Integer, primary_key=True), *(sql.Column(name) for name in COLUMNS)
)
_documents = sql.Table("documents", _tables, sql.Column("entry_id", sql.Integer), sql.Column("content", sql.Text))


@dataclass(frozen=True, kw_only=True)
class HistoryEntry:
    """One build or measurement; a build's runtime, size and score are its best artifact's. None is not known.

    Of an artifact that generates `p50_ms` is of one token, `first_token_ms` after a typical prompt, and
    `tokens_per_second` at the slowest context; by a clock of instructions both are None.
    """

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
    first_token_ms: float | None = None
    tokens_per_second: float | None = None

    def document(self) -> JsonObject:
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
        self.url = url_of(url or default_url())
        self._engine = opened(self.url)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the database."""
        self._engine.dispose()

    def add(self, kind: EntryKind, document: JsonObject, *, commit: str | None = None) -> HistoryEntry:
        """Keep a document, all of it or nothing."""
        created = datetime.now(UTC).isoformat(timespec="milliseconds")
        columns = _columns(kind, Fields(document))
        content = json.dumps(document, ensure_ascii=False)
        with refusals(self.url), self._engine.begin() as connection:
            entry = sql.insert(_entries).values(created=created, kind=kind, commit=commit, **columns)
            number = int(connection.execute(entry.returning(_entries.c.id)).scalar_one())
            connection.execute(sql.insert(_documents).values(entry_id=number, content=content))
        return HistoryEntry(id=number, created=created, kind=kind, commit=commit, **columns)

    def find(self, wanted: Filter | None = None, *, limit: int | None = None) -> list[HistoryEntry]:
        """The newest first."""
        query = sql.select(_entries).order_by(_entries.c.id.desc())
        for name, value in asdict(wanted or Filter()).items():
            if value is None:
                continue
            column = _entries.c[name]
            query = query.where(column.startswith(value, autoescape=True) if name == "commit" else column == value)
        with refusals(self.url), self._engine.connect() as connection:
            rows = [dict(row) for row in connection.execute(query.limit(limit)).mappings()]
        return [_entry(row) for row in rows]

    def document(self, number: int) -> JsonObject:
        """An entry's document. Raises `InputError` for a number that no entry has."""
        content = None
        if number < LARGEST_NUMBER:
            query = sql.select(_documents.c.content).where(_documents.c.entry_id == number)
            with refusals(self.url), self._engine.connect() as connection:
                content = connection.execute(query).scalar()
        if content is None:
            raise InputError(f"the history has no entry {number}; `edgewright history list` shows those it has")
        document = parse_json(str(content), name=f"entry {number} of the history")
        if not isinstance(document, dict):
            raise InvalidFileError(f"entry {number} of the history", [("the whole document", "is no JSON object")])
        return document


def _entry(row: dict[str, Any]) -> HistoryEntry:
    """A row as an entry; of a figure that cannot be is said that it is not known, once, and its document is left."""
    for name, (least, most) in RANGES.items():
        value = row[name]
        if value and not (isinstance(value, int | float) and least <= value <= most):
            log.warning("warning: entry %s of the history has a %s that cannot be; it is left out", row["id"], name)
            row[name] = None
    return HistoryEntry(**row)


def commit_here() -> str | None:
    """The commit that is built or measured: a CI's, or that of the working directory; None where there is none."""
    for name in COMMIT_VARIABLES:
        if commit := os.environ.get(name):
            return commit
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


class _Columns(TypedDict):
    """What of a document stands in columns of its own."""

    name: str
    profile: str | None
    target: str | None
    runtime: str | None
    clock: str | None
    sha256: str | None
    p50_ms: float | None
    peak_rss_bytes: int | None
    artifact_bytes: int | None
    score: float | None
    stable: bool | None
    first_token_ms: float | None
    tokens_per_second: float | None


def _columns(kind: EntryKind, document: Fields) -> _Columns:
    artifact, is_bench, stable = _artifact(kind, document), kind == "bench", document.value("stable")
    generation = document.inner("generation") if is_bench else Fields({})
    return {
        "name": document.text("name") or document.text("bundle") or "",
        "profile": document.text("profile"),
        "target": document.text("target") if is_bench else None,
        "runtime": artifact.text("runtime"),
        "clock": document.text("clock") if is_bench else None,
        "sha256": artifact.text("sha256"),
        "p50_ms": document.inner("latency_ms").number("p50") if is_bench else None,
        "peak_rss_bytes": document.count("peak_rss_bytes") if is_bench else None,
        "artifact_bytes": artifact.count("bytes"),
        "score": (artifact if "score" in artifact else document).number("score"),
        "stable": stable if is_bench and isinstance(stable, bool) else None,
        "first_token_ms": generation.number("first_token_ms"),
        "tokens_per_second": generation.number("tokens_per_second"),
    }


def _artifact(kind: EntryKind, document: Fields) -> Fields:
    """What was measured, or the best of what was built."""
    if kind == "bench":
        return document.inner("artifact")
    best = document.text("best")
    return next((each for each in document.rows("artifacts") if each.text("runtime") == best), Fields({}))
