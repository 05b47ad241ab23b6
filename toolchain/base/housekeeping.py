"""What lies in the cache, by kind: how much of it there is, when it was used last, and its removal.

In:  the cache's folder, and which entries are to go: by kind, by age, by the size of all.
Out: `Kept` for each kind; entries removed whole or not at all. Only what has the form and the place of an entry of ours
     is counted or touched, so that a cache directory set to a folder with other files in it loses none of them.
"""

from __future__ import annotations

import os
import re
import shutil
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from edgewright.base.numbers import parse_float
from edgewright.base.once import UNFINISHED, is_being_made, size_of, sweep_unfinished
from edgewright.base.places import cache_dir
from edgewright.errors import InputError, UnknownNameError

GB_VARIABLE, DAYS_VARIABLE = "EDGEWRIGHT_CACHE_GB", "EDGEWRIGHT_CACHE_DAYS"
USUAL_GB, USUAL_DAYS = 50.0, 90.0
LEAST_DAYS = 7.0  # what was used since is not swept for its size: a build may be at work with it
DAY_S = 86_400.0
STAMP = ".swept"


@dataclass(frozen=True, kw_only=True)
class CacheKind:
    """One kind of entries: what they are, how many folders deep they lie, how one is called, what each has in it."""

    about: str
    name: str
    depth: int = 1
    marker: str | None = None


KINDS = {
    "stages": CacheKind(about="finished stages of builds", name="[0-9a-f]{32}", depth=2, marker="stage.json"),
    "training": CacheKind(about="checkpoints of trainings that were cut off", name="[0-9a-f]{32}"),
    "trackers": CacheKind(about="curves of trainings, for TensorBoard", name="[^.].*"),
    "calibrations": CacheKind(about="calibrations that were cut off", name="[0-9a-f]{16}"),
    "bundles": CacheKind(about="unpacked .zip bundles", name="[0-9a-f]{32}", marker="manifest.json"),
    "boards": CacheKind(about="disks of emulated boards", name="[0-9a-f]{16}", marker="vmlinuz"),
    "runtimes": CacheKind(about="runtimes for devices", name="[a-z0-9]+-[^/]+"),
    "runners": CacheKind(about="compiled runners", name="[a-z0-9_]+-[0-9a-f]+"),
    "wheels": CacheKind(about="wheels from package indexes", name="[A-Za-z0-9.-]+-py[0-9.]+"),
    "data": CacheKind(about="models and data from package indexes", name="[A-Za-z0-9.-]+-[0-9a-f]{16}-[^/]+"),
    "sdk": CacheKind(about="headers and libraries to compile runners with", name="executorch-[^/]+"),
}


@dataclass(frozen=True, kw_only=True)
class CacheItem:
    """One entry; `used` is when it was used last, in seconds since 1970."""

    kind: str
    folder: Path
    bytes: int
    used: float


@dataclass(frozen=True, kw_only=True)
class CacheLimits:
    """What the cache may hold: so many bytes in all, and what was used within so many days."""

    bytes: float
    days: float

    @classmethod
    def set_here(cls) -> CacheLimits:
        """As the environment says, or the usual ones. Raises `InputError` for what is no number."""
        return cls(bytes=1e9 * _set(GB_VARIABLE, USUAL_GB), days=_set(DAYS_VARIABLE, USUAL_DAYS))


def entries(kinds: Sequence[str] = tuple(KINDS)) -> list[CacheItem]:
    """All entries of these kinds, those used longest ago first. Raises `UnknownNameError` for another kind."""
    for kind in kinds:
        if kind not in KINDS:
            raise UnknownNameError("kind of cache entry", kind, KINDS)
    listed = [entry for kind in kinds for entry in _entries_of(kind)]
    return sorted(listed, key=lambda entry: entry.used)


def clear(kinds: Sequence[str] = tuple(KINDS), *, older_than_days: float | None = None) -> tuple[list[CacheItem], int]:
    """Remove entries, all or those not used for so many days; gives them and the bytes of what others left unfinished.

    Raises `InputError` where everything is to go while something is being made there.
    """
    if older_than_days is None and (busy := _being_made()):
        raise InputError(
            f"{busy} is being made in the cache by another command; wait for its end, or keep what it uses with "
            "--older-than 1"
        )
    oldest = time.time() - DAY_S * older_than_days if older_than_days is not None else None
    gone = [each for each in entries(kinds) if oldest is None or each.used < oldest]
    return [each for each in gone if _removed(each)], _sweep_unfinished()


def sweep(limits: CacheLimits) -> tuple[list[CacheItem], int]:
    """Remove what was not used for long, then what was used longest ago until the rest is within its size.

    What was used within a week stays. Gives what `clear` gives.
    """
    now, every = time.time(), entries()
    left = sum(each.bytes for each in every)
    gone = []
    for each in every:
        days = (now - each.used) / DAY_S
        if days > limits.days or (left > limits.bytes and days > LEAST_DAYS):
            left -= each.bytes
            gone.append(each)
    return [each for each in gone if _removed(each)], _sweep_unfinished()


def sweep_once_a_day() -> int:
    """Sweep by the limits set here, where a day has passed since it was done; gives the bytes that are freed."""
    stamp = cache_dir() / STAMP
    if stamp.is_file() and time.time() - stamp.stat().st_mtime < DAY_S:
        return 0
    limits = CacheLimits.set_here()
    stamp.touch()
    gone, freed = sweep(limits)
    return freed + sum(each.bytes for each in gone)


def _set(variable: str, usual: float) -> float:
    value = os.environ.get(variable)
    if not value:
        return usual

    def fault(name: str, what: str) -> InputError:
        return InputError(f"{name} {what}; set it to a number, or leave it out for {usual:g}")

    return parse_float(value, name=variable, least=0.0, error=fault)


def _entries_of(kind: str) -> Iterator[CacheItem]:
    known, root = KINDS[kind], cache_dir() / kind
    for folder in _folders(root, known.depth):
        if re.fullmatch(known.name, folder.name) and (known.marker is None or (folder / known.marker).is_file()):
            with suppress(OSError):  # removed meanwhile
                yield CacheItem(kind=kind, folder=folder, bytes=size_of(folder), used=folder.stat().st_mtime)


def _folders(root: Path, depth: int) -> Iterator[Path]:
    """Real folders so deep below one; links lead elsewhere and are nobody's entry."""
    with suppress(OSError):
        for each in sorted(root.iterdir()):
            if each.is_symlink() or not each.is_dir() or each.name.startswith("."):
                continue
            if depth == 1:
                yield each
            else:
                yield from _folders(each, depth - 1)


def _parents() -> Iterator[Path]:
    """The folders that entries lie in, where unfinished ones lie too."""
    for kind, known in KINDS.items():
        root = cache_dir() / kind
        if known.depth == 1:
            yield root
        else:
            yield from _folders(root, known.depth - 1)


def _being_made() -> str | None:
    return next((parent.name for parent in _parents() if is_being_made(parent)), None)


def _sweep_unfinished() -> int:
    return sum(map(sweep_unfinished, _parents()))


def _removed(entry: CacheItem) -> bool:
    """Whether it is gone: first from its name, so that half of it is never taken for a result."""
    try:
        aside = Path(tempfile.mkdtemp(prefix=UNFINISHED, dir=entry.folder.parent))
        entry.folder.replace(aside)
    except OSError:
        return False
    shutil.rmtree(aside, ignore_errors=True)
    return True
