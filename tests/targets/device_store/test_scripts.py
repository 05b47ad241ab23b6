"""The scripts of a push, run by shells that devices have: what they say of whole, harmed and missing files."""

import gzip
import hashlib
import shutil
import subprocess
from pathlib import Path

import pytest

from edgewright.targets.device_store.scripts import (
    CANNOT_UNPACK,
    CHECK_SCRIPT,
    COMMON,
    DIFFERS,
    JOIN_SCRIPT,
    NOT_THERE,
    OPENED,
    RIGHT,
    WHOLE,
)

SHELLS = [each for each in (["sh"], ["bash", "--posix"], ["busybox", "sh"]) if shutil.which(each[0])]
FILES = {"a": b"one", "with space": b"two", "deep/er": b"three", "-dash": b"four", "b": b""}


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def plan_of(files: dict[str, bytes]) -> str:
    return "\n".join(f"{sha256(content)} - {name}" for name, content in files.items())


def run(shell: list[str], script: str, *words: object, stdin: str = "", cwd: Path | None = None) -> tuple[int, str]:
    done = subprocess.run(
        [*shell, "-c", script, "sh", *map(str, words)],
        input=stdin, capture_output=True, text=True, timeout=60, cwd=cwd, check=False,
    )  # fmt: skip
    return done.returncode, done.stdout


@pytest.fixture(params=SHELLS, ids=lambda each: each[0])
def shell(request: pytest.FixtureRequest) -> list[str]:
    return list(request.param)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name, content in FILES.items():
        (tmp_path / "set" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "set" / name).write_bytes(content)
    return tmp_path / "set"


@pytest.mark.parametrize("harmed", [None, *FILES])
def test_a_set_is_whole_only_where_every_file_is(shell: list[str], folder: Path, harmed: str | None) -> None:
    script = f'{COMMON}whole "$1" "$2"'
    assert run(shell, script, folder, plan_of(FILES))[0] == 0
    if harmed is None:
        (folder / "a").unlink()
    else:
        (folder / harmed).write_bytes(b"changed")
    assert run(shell, script, folder, plan_of(FILES))[0] != 0
    assert run(shell, script, folder / "missing", plan_of(FILES))[0] != 0


def test_a_sum_is_right_or_not(shell: list[str], folder: Path) -> None:
    script = f'{RIGHT}right "$1" "$2"'
    assert run(shell, script, sha256(b"two"), folder / "with space")[0] == 0
    assert run(shell, script, sha256(b"one"), folder / "with space")[0] != 0
    assert run(shell, script, sha256(b"one"), folder / "missing")[0] != 0


def test_parts_are_opened_be_they_compressed_or_not(shell: list[str], tmp_path: Path) -> None:
    (tmp_path / "x-0.part").write_bytes(b"one ")
    (tmp_path / "x-1.part.gz").write_bytes(gzip.compress(b"two "))
    (tmp_path / "x-2.part").write_bytes(b"three")
    (tmp_path / "x-2.part.gz").write_bytes(gzip.compress(b"three"))  # sent twice, each in its own way
    names = ("x-0.part", "x-1.part.gz", "x-2.part", "x-2.part.gz")
    assert run(shell, f'{OPENED}opened "$@"', *names, cwd=tmp_path) == (0, "one two three")
    assert run(shell, f'{OPENED}opened "$@"', "x-0.part", "missing", cwd=tmp_path)[0] != 0


def test_what_a_device_lacks_is_asked_for_with_the_room_there_is(shell: list[str], tmp_path: Path) -> None:
    home = tmp_path / ".edgewright"
    status, said = run(shell, CHECK_SCRIPT, home, "bundles", "d1", stdin=plan_of(FILES))
    assert status == NOT_THERE
    assert home.stat().st_mode & 0o777 == 0o700
    assert any(line.startswith("boot ") for line in said.splitlines())
    assert said.rstrip().splitlines()[-1].count("%") == 1  # df's


def test_a_set_that_is_there_is_whole_and_one_that_was_damaged_is_not(shell: list[str], tmp_path: Path) -> None:
    home = tmp_path / ".edgewright"
    place = home / "bundles" / "d1"
    for name, content in FILES.items():
        (place / name).parent.mkdir(parents=True, exist_ok=True)
        (place / name).write_bytes(content)
    assert run(shell, CHECK_SCRIPT, home, "bundles", "d1", stdin=plan_of(FILES)) == (WHOLE, "")
    (place / "a").write_bytes(b"onf")
    assert run(shell, CHECK_SCRIPT, home, "bundles", "d1", stdin=plan_of(FILES))[0] == NOT_THERE


@pytest.mark.parametrize(("parts", "status"), [((b"on", b"e"), WHOLE), ((b"on", b"f"), DIFFERS), ((), CANNOT_UNPACK)])
def test_parts_are_joined_and_counted_only_once_they_are_right(
    shell: list[str], tmp_path: Path, parts: tuple[bytes, ...], status: int
) -> None:
    for number, content in enumerate(parts):
        (tmp_path / f"x-{number}.part").write_bytes(content)
    assert run(shell, JOIN_SCRIPT, tmp_path, "x", sha256(b"one"), "mine")[0] == status
    assert (tmp_path / "x.whole").exists() is (status == WHOLE)
    assert not list(tmp_path.glob("x.mine"))
    if status == WHOLE:
        assert not list(tmp_path.glob("*.part"))
        assert run(shell, JOIN_SCRIPT, tmp_path, "x", sha256(b"one"), "mine")[0] == WHOLE  # another push's
