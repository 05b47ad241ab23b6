"""Wheels are fetched once, and no member of one can leave its folder, be a link or fill the disk."""

import stat
import subprocess
import warnings
import zipfile
from pathlib import Path
from typing import Any

import pytest

from edgewright.errors import EnvironmentFaultError
from edgewright.runtimes import wheels
from edgewright.runtimes.wheels import extract


@pytest.mark.parametrize("member", ["../outside", "/outside", "lib/../../outside", "lib\\..\\outside"])
def test_no_member_of_a_wheel_can_leave_its_folder(tmp_path: Path, member: str) -> None:
    with zipfile.ZipFile(tmp_path / "evil.whl", "w") as archive:
        archive.writestr(member, "x")
    (tmp_path / "into").mkdir()
    with pytest.raises(EnvironmentFaultError, match="outside its folder"):
        extract(tmp_path / "evil.whl", tmp_path / "into", lambda _: True)
    assert not (tmp_path / "outside").exists()


def test_a_damaged_wheel_is_told_with_what_to_delete(tmp_path: Path) -> None:
    (tmp_path / "damaged.whl").write_bytes(b"PK\x03\x04 and then nothing")
    with pytest.raises(EnvironmentFaultError, match=r"delete .*damaged\.whl"):
        extract(tmp_path / "damaged.whl", tmp_path, lambda _: True)


def wheel(place: Path, members: dict[str, bytes]) -> Path:
    file = place / "some.whl"
    with zipfile.ZipFile(file, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return file


def test_wanted_members_are_written_and_libraries_can_be_run(tmp_path: Path) -> None:
    file = wheel(tmp_path, {"lib/a.so.1": b"code", "lib/a.py": b"text", "lib/": b"", "test/b.py": b"no"})
    extract(file, tmp_path / "into", lambda name: name.startswith("lib"))
    found = {
        each.relative_to(tmp_path / "into").as_posix() for each in (tmp_path / "into").rglob("*") if each.is_file()
    }
    assert found == {"lib/a.so.1", "lib/a.py"}
    assert (tmp_path / "into/lib/a.so.1").stat().st_mode & 0o777 == 0o755
    assert (tmp_path / "into/lib/a.py").stat().st_mode & 0o777 == 0o644


def test_a_link_is_no_member(tmp_path: Path) -> None:
    link = zipfile.ZipInfo("lib/passwd")
    link.external_attr = (stat.S_IFLNK | 0o777) << 16
    with zipfile.ZipFile(tmp_path / "some.whl", "w") as archive:
        archive.writestr(link, "/etc/passwd")
    with pytest.raises(EnvironmentFaultError, match="outside its folder"):
        extract(tmp_path / "some.whl", tmp_path / "into", lambda _: True)
    assert not (tmp_path / "into" / "lib" / "passwd").exists()


def test_a_member_that_comes_twice_is_damage(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "some.whl", "w") as archive, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        archive.writestr("a.py", "first")
        archive.writestr("a.py", "second")
    with pytest.raises(EnvironmentFaultError, match=r"delete .*some\.whl"):
        extract(tmp_path / "some.whl", tmp_path / "into", lambda _: True)


def test_what_would_fill_the_disk_is_refused_before_anything_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(wheels, "LARGEST_UNPACKED_BYTES", 10)
    file = wheel(tmp_path, {"a.py": b"123456", "b.py": b"123456"})
    with pytest.raises(EnvironmentFaultError, match="unpack to more than 1 GB"):
        extract(file, tmp_path / "into", lambda _: True)
    assert not (tmp_path / "into").exists()
    extract(file, tmp_path / "into", lambda name: name == "a.py")


def test_a_folder_is_filled_once(tmp_path: Path) -> None:
    file = wheel(tmp_path, {"a.py": b"first"})
    place = wheels.unpacked(file, tmp_path / "place", lambda _: True)
    wheel(tmp_path, {"a.py": b"second"})
    assert wheels.unpacked(file, tmp_path / "place", lambda _: True) == place
    assert (place / "a.py").read_bytes() == b"first"


def test_an_installed_package_is_found_without_importing_it() -> None:
    folder = wheels.installed_folder("numpy")
    assert folder is not None
    assert (folder / "__init__.py").is_file()
    assert wheels.installed_folder("a_package_nobody_has") is None


def test_a_version_that_is_neither_installed_nor_pinned_is_told_with_the_line_that_installs_it() -> None:
    assert wheels.installed_version("numpy", "run").split(".")[0].isdigit()
    with pytest.raises(EnvironmentFaultError, match="pip install a-package-nobody-has"):
        wheels.installed_version("a-package-nobody-has", "run it")


def pip(
    monkeypatch: pytest.MonkeyPatch, *, files: tuple[str, ...] = (), said: str = "", status: int = 0
) -> list[list[str]]:
    """A pip that writes these files; what it was asked."""
    asked: list[list[str]] = []

    def run(command: list[str], **_: object) -> subprocess.CompletedProcess[str]:
        asked.append(command)
        for name in files:
            Path(command[command.index("--dest") + 1], name).write_bytes(b"wheel")
        return subprocess.CompletedProcess(command, status, "", said)

    monkeypatch.setattr(subprocess, "run", run)
    return asked


def test_a_wheel_is_asked_for_by_machine_and_python_and_only_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EDGEWRIGHT_CACHE_DIR", str(tmp_path))
    asked = pip(monkeypatch, files=("numpy.whl",))
    for _ in range(2):
        assert wheels.fetch_wheel("numpy==2.4.6", machine="aarch64", python="3.11").name == "numpy.whl"
    (command,) = asked
    assert command[-1] == "numpy==2.4.6"
    assert command[command.index("--python-version") + 1] == "3.11"
    assert "--only-binary=:all:" in command
    assert next(each for each in command if each.endswith("_aarch64")) == "manylinux_2_28_aarch64"
    wheels.fetch_wheel("numpy==2.4.6", machine="aarch64", python="3.12")
    assert len(asked) == 2


@pytest.mark.parametrize(
    ("how", "reason"),
    [
        ({"status": 1, "said": "WARNING: slow\nERROR: no such version\nhint"}, "ERROR: no such version"),
        ({"files": ("a.whl", "b.whl")}, "no wheel"),
        ({}, "no wheel"),
    ],
)
def test_a_wheel_that_does_not_come_is_told_with_pips_reason_and_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, how: dict[str, Any], reason: str
) -> None:
    monkeypatch.setenv("EDGEWRIGHT_CACHE_DIR", str(tmp_path))
    pip(monkeypatch, **how)
    with pytest.raises(EnvironmentFaultError, match=reason):
        wheels.fetch_wheel("numpy==2.4.6", machine="aarch64", python="3.11")
    assert not list(tmp_path.rglob("*.whl"))
