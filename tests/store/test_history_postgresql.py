"""A team's history in a real PostgreSQL: written, listed, compared and gated as in a file, and by many at once."""

import json
import os
import pwd
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sql

from edgewright.base import extras
from edgewright.cli.main import main
from edgewright.errors import EnvironmentFaultError, InputError
from edgewright.store import database as store
from edgewright.store.history import Filter, History
from tests.report.documents import bench
from tests.store.test_history import BUILD, WRITER

WRITERS, WRITTEN = 16, 3
START_LIMIT_S = 60


def programs() -> Path | None:
    """Where Debian keeps the newest server's programs, or where PATH finds them."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda each: float(each.parts[-3]))
    on_path = shutil.which("initdb")
    return found[-1].parent if found else Path(on_path).resolve().parent if on_path else None


pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(programs() is None, reason="PostgreSQL's server (Debian's package postgresql) is not installed"),
]


@pytest.fixture(scope="module")
def server() -> Iterator[Callable[[str], str]]:
    """A server of our own behind a socket that only this machine has; gives the URL of a database by its name."""
    programs_here = programs()
    assert programs_here is not None
    # It refuses to run as root; and the socket's path must be short.
    owner = pwd.getpwnam("nobody") if os.geteuid() == 0 else pwd.getpwuid(os.geteuid())
    place = Path(tempfile.mkdtemp(prefix="edgewright-pg-", dir="/tmp"))
    os.chown(place, owner.pw_uid, owner.pw_gid)
    as_owner: dict[str, Any] = {"cwd": place, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    if os.geteuid() == 0:
        as_owner |= {"user": owner.pw_uid, "group": owner.pw_gid, "extra_groups": []}
    subprocess.run(
        [programs_here / "initdb", "-D", place / "data", "-U", "edgewright", "-A", "trust", "-E", "UTF8", "-N"],
        check=True,
        **as_owner,
    )
    settings = ("-c", "listen_addresses=", "-c", "fsync=off", "-k", str(place))
    running = subprocess.Popen([programs_here / "postgres", "-D", place / "data", *settings], **as_owner)

    def url(database: str) -> str:
        return f"postgresql+psycopg://edgewright@/{database}?host={place}"

    try:
        _wait_for(url("postgres"), running)
        yield url
    finally:
        running.send_signal(signal.SIGINT)  # do not wait for whoever is still connected
        running.wait(30)
        shutil.rmtree(place)


def _wait_for(url: str, running: subprocess.Popen[bytes]) -> None:
    limit = time.monotonic() + START_LIMIT_S
    while True:
        try:
            _run(url, "SELECT 1")
        except sql.exc.OperationalError:
            assert running.poll() is None, "the server ended"
            assert time.monotonic() < limit, "the server does not answer"
            time.sleep(0.1)
        else:
            return


def _run(url: str, statement: str) -> None:
    engine = sql.create_engine(url, isolation_level="AUTOCOMMIT", poolclass=sql.NullPool)
    with engine.connect() as connection:
        connection.execute(sql.text(statement))


@pytest.fixture
def team_history(server: Callable[[str], str], request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """An empty database for one test, as the variable names it."""
    name = f"history_{abs(hash(request.node.name))}"
    _run(server("postgres"), f"CREATE DATABASE {name}")
    monkeypatch.setenv("EDGEWRIGHT_HISTORY", server(name))
    return server(name)


@pytest.mark.usefixtures("team_history")
def test_entries_are_kept_found_and_come_back_whole() -> None:
    odd = bench(name="dépôt № 7", machine={"board": "a\u0000b ☃ '; DROP TABLE entries; --"})
    with History() as history:
        made = history.add("build", BUILD, commit="aaa111")
        measured = history.add("bench", odd, commit="bbb222")
        assert history.find() == [measured, made]
        assert history.document(measured.id) == odd
    with History() as history:  # which has nothing to upgrade
        assert history.find(Filter(commit="aaa")) == [made]
        assert history.find(Filter(name="dépôt № 7", runtime="executorch")) == [measured]
        assert history.find(Filter(commit="%")) == []
        with pytest.raises(InputError, match="no entry 99"):
            history.document(99)


@pytest.mark.usefixtures("team_history")
def test_the_verbs_work_on_it(capsys: pytest.CaptureFixture[str]) -> None:
    with History() as history:
        history.add("bench", bench(), commit="aaa111")
        history.add("bench", bench(slower=1.1, seed=2), commit="bbb222")
    assert main(["history", "list", "--json"]) == 0
    assert [each["id"] for each in json.loads(capsys.readouterr().out)["entries"]] == [2, 1]
    assert main(["compare", "1", "latest", "--json"]) == 0
    assert 5 < json.loads(capsys.readouterr().out)["differences"][0]["low_percent"] < 10
    assert main(["gate", "--baseline", "commit:aaa", "--max-slowdown", "3%"]) == 1
    assert main(["gate", "--baseline", "commit:aaa", "--max-slowdown", "30%"]) == 0


@pytest.mark.usefixtures("team_history")
def test_sixteen_who_open_it_first_and_write_at_once_lose_nothing() -> None:
    command = [sys.executable, "-c", WRITER, json.dumps(bench()), str(WRITTEN)]
    writers = [subprocess.Popen([*command, str(each)]) for each in range(WRITERS)]
    assert [writer.wait(300) for writer in writers] == [0] * WRITERS
    with History() as history:
        entries = history.find()
        expected = {f"{writer}-{number}" for writer in range(WRITERS) for number in range(WRITTEN)}
        assert sorted(each.name for each in entries) == sorted(expected)
        assert all(history.document(each.id)["name"] == each.name for each in entries)


def test_a_newer_schema_is_reported_and_left_as_it_is(team_history: str) -> None:
    with History() as history:
        kept = history.add("bench", bench())
    _run(team_history, "UPDATE alembic_version SET version_num = '99'")
    with pytest.raises(InputError, match=r"newer Edgewright \(schema 99") as told:
        History()
    assert "edgewright@" in str(told.value)
    _run(team_history, f"UPDATE alembic_version SET version_num = '{store.NEWEST}'")
    with History() as history:
        assert history.find() == [kept]


def test_a_server_that_is_not_there_is_reported_without_its_password(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EDGEWRIGHT_HISTORY", "postgresql+psycopg://ann:secret@127.0.0.1:1/history")
    with pytest.raises(InputError, match="cannot be used") as told:
        History()
    assert "secret" not in str(told.value)


@pytest.mark.parametrize("driver", store.POSTGRESQL)
def test_without_the_driver_the_extra_is_reported(monkeypatch: pytest.MonkeyPatch, driver: str) -> None:
    monkeypatch.setattr(extras, "find_spec", lambda name: None)
    with pytest.raises(EnvironmentFaultError, match=r"edgewright\[postgresql\]"):
        History(f"{driver}://ann@nowhere/history")
