"""Fetch the wheels of another machine and unpack the parts of them that a device needs.

In:  a pinned requirement, a processor and a Python version.
Out: a cached wheel, or a cached folder with the chosen members of it.
Wheels come through pip, with the user's own index settings; which members a runtime needs is `runtimes`' concern.
"""

import importlib.util
import logging
import re
import shutil
import stat
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path, PurePosixPath

from edgewright.base.extras import version_of
from edgewright.base.once import made_once
from edgewright.base.places import cache_dir
from edgewright.errors import EnvironmentFaultError

log = logging.getLogger(__name__)

# pip takes the first of them that there is a wheel for: newest first, and last what only Debian 12 and later have.
GLIBC_TAGS = ("manylinux_2_28", "manylinux_2_27", "manylinux_2_24", "manylinux_2_17", "manylinux2014", "manylinux_2_34")
DOWNLOAD_LIMIT_S = 900.0
LARGEST_UNPACKED_BYTES = 1 << 30

Keep = Callable[[str], bool]


def installed_version(package: str, purpose: str) -> str:
    """The version of a package that is installed, or that would be: the one Edgewright pins. Without its local part.

    Raises `EnvironmentFaultError` when it is neither.
    """
    version = version_of(package)
    if version is None:
        remedy = f"install it with: python -m pip install {package}"
        raise EnvironmentFaultError(f"the package {package}", purpose, remedy)
    return version


def installed_folder(package: str) -> Path | None:
    """Where a top-level package lies, found without importing it."""
    spec = importlib.util.find_spec(package)
    places = list(spec.submodule_search_locations or ()) if spec else []
    return Path(places[0]) if places else None


def fetch_wheel(requirement: str, *, machine: str, python: str) -> Path:
    """Download the wheel of e.g. "numpy==2.4.6" for e.g. "aarch64" and "3.11", once."""
    name = re.sub(r"[^A-Za-z0-9.]+", "-", f"{requirement}-{machine}-py{python}")
    folder = made_once(cache_dir("wheels") / name, lambda into: _download(requirement, machine, python, into))
    return next(folder.glob("*.whl"))


def unpacked(wheel: Path, place: Path, keep: Keep) -> Path:
    """The folder `place`, filled with the members of the wheel that `keep` wants, once."""
    return made_once(place, lambda into: extract(wheel, into, keep))


def extract(wheel: Path, into: Path, keep: Keep) -> None:
    """Write the wanted members below `into`; no member can leave it, be a link or fill the disk."""
    try:
        with zipfile.ZipFile(wheel) as archive:
            members = [item for item in archive.infolist() if not item.is_dir() and keep(item.filename)]
            if sum(item.file_size for item in members) > LARGEST_UNPACKED_BYTES:
                raise _damaged(wheel, "it would unpack to more than 1 GB")
            for item in members:
                target = into / _safe_path(wheel, item)
                target.parent.mkdir(parents=True, exist_ok=True)
                with archive.open(item) as source, target.open("xb") as sink:
                    shutil.copyfileobj(source, sink)
                target.chmod(0o755 if ".so" in target.name else 0o644)
    except (zipfile.BadZipFile, EOFError, FileExistsError) as error:
        raise _damaged(wheel, str(error)) from error


def _safe_path(wheel: Path, item: zipfile.ZipInfo) -> PurePosixPath:
    path = PurePosixPath(item.filename)
    is_link = stat.S_ISLNK(item.external_attr >> 16)
    if path.is_absolute() or ".." in path.parts or "\\" in item.filename or not path.parts or is_link:
        raise _damaged(wheel, f"its member {item.filename!r} would be written outside its folder")
    return path


def _download(requirement: str, machine: str, python: str, into: Path) -> None:
    log.info("fetching the wheel of %s for %s, once …", requirement, machine)
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps"]
    command += ["--only-binary=:all:", "--implementation", "cp", "--python-version", python, "--dest", str(into)]
    for tag in GLIBC_TAGS:
        command += ["--platform", f"{tag}_{machine}"]
    try:
        ended = subprocess.run(
            [*command, requirement], capture_output=True, text=True, timeout=DOWNLOAD_LIMIT_S, check=False
        )
        lines, failed = ended.stderr.strip().splitlines(), ended.returncode != 0
    except subprocess.TimeoutExpired:
        lines, failed = [f"pip did not end within {DOWNLOAD_LIMIT_S:g} s"], True
    if failed or len(list(into.glob("*.whl"))) != 1:
        reason = next((line for line in reversed(lines) if "error" in line.lower()), lines[-1] if lines else "no wheel")
        raise EnvironmentFaultError(
            f"the wheel {requirement} for {machine} (Python {python})",
            "run an artifact on such a device",
            f"check the network and pip's index settings and run this again ({reason.strip()[:300]})",
        )


def _damaged(wheel: Path, reason: str) -> EnvironmentFaultError:
    remedy = f"delete {wheel} and run this again ({reason})"
    return EnvironmentFaultError(f"a sound copy of {wheel.name}", "run an artifact on a device", remedy)
