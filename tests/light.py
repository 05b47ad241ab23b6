"""The light install as a user has it: a folder with the packages that Edgewright's own dependencies bring, and no more.

In:  a folder to lay it out in.
Out: `LightInstall`: its Python runs programs with that folder alone; torch and the exporters are not there.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tomllib
import zipfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from importlib import metadata
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
FOLDERS: dict[str, str] = PROJECT["tool"]["setuptools"]["package-dir"]
BESIDE_PYTHON = ("pip",)  # what an environment has anyway
TESTING = ("pytest",)


@dataclass(frozen=True, kw_only=True)
class LightInstall:
    """A folder of packages, and an interpreter that sees no other."""

    site: Path
    environment: Mapping[str, str] = field(default_factory=dict)

    def run(self, *argv: str, cwd: Path, timeout_s: float = 120, **more: str) -> subprocess.CompletedProcess[str]:
        """Run `python ARGV` in a folder, which comes first on its path as with `python -m`."""
        # Without `site` the packages of the environment that runs the tests are not there.
        environment = {**os.environ, **self.environment, "PYTHONPATH": f"{cwd}{os.pathsep}{self.site}", **more}
        return subprocess.run(
            [sys.executable, "-S", *argv], cwd=cwd, env=environment, capture_output=True, text=True, timeout=timeout_s
        )

    def edgewright(self, *argv: str, cwd: Path, **more: str) -> subprocess.CompletedProcess[str]:
        """Run the command line."""
        return self.run("-m", "edgewright.cli.main", *argv, cwd=cwd, timeout_s=600, **more)


def wheel(place: Path) -> Path:
    """Edgewright's wheel, built from the sources here."""
    tree = place / "tree"
    for name in FOLDERS.values():
        shutil.copytree(ROOT / name, tree / name, ignore=shutil.ignore_patterns("__pycache__", "prebuilt"))
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, tree / name)
    build = [sys.executable, "-m", "pip", "wheel", "--no-deps", "--no-build-isolation", "-q", "-w", str(place), tree]
    subprocess.run(build, check=True, timeout=300)
    return next(place.glob("edgewright-*.whl"))


def install(place: Path, *, also: Iterable[str] = ()) -> LightInstall:
    """Lay out the light install in a folder: the wheel's files, and links to the packages it asks for.

    `also` names further distributions.
    """
    site = place / "site"
    site.mkdir(parents=True)
    with zipfile.ZipFile(wheel(place)) as archive:
        archive.extractall(site)
    for name in closure((*PROJECT["project"]["dependencies"], *BESIDE_PYTHON, *also)):
        for entry in _entries(name):
            (site / entry.name).symlink_to(entry)
    return LightInstall(site=site)


def closure(requirements: Iterable[str]) -> set[str]:
    """The names of all distributions that these requirements bring on this machine."""
    names: set[str] = set()
    waiting = [Requirement(line) for line in requirements]
    while waiting:
        requirement = waiting.pop()
        name = canonicalize_name(requirement.name)
        if name in names:
            continue
        names.add(name)
        needs = map(Requirement, metadata.requires(name) or ())
        extras = ("", *requirement.extras)
        waiting += [
            each for each in needs if each.marker is None or any(each.marker.evaluate({"extra": e}) for e in extras)
        ]
    return names


def size_bytes(names: Iterable[str]) -> int:
    """What the files of these distributions take, without bytecode, which Python makes anew."""
    total = 0
    for name in names:
        for file in metadata.distribution(name).files or ():
            path = Path(str(file.locate()))
            if path.suffix != ".pyc" and path.is_file():
                total += path.stat().st_size
    return total


def _entries(name: str) -> list[Path]:
    """The files and folders of a distribution right below the packages' folder."""
    distribution = metadata.distribution(name)
    root = Path(str(distribution.locate_file("")))
    tops = {file.parts[0] for file in distribution.files or () if file.parts[0] not in ("..", "__pycache__")}
    return [root / top for top in sorted(tops)]
