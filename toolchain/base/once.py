"""Make something whole or not at all: a folder once for every process on this machine, or a file.

In:  where it shall lie, and what makes it.
Out: the folder or file. A crash leaves nothing under the final name; whoever comes second while a folder is being made
     waits. What a killed process left beside it is known by its name and by the lock that nobody holds on it any more,
     and goes with the next one that is made there.
"""

import fcntl
import os
import re
import secrets
import shutil
import stat
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from filelock import FileLock

from edgewright.errors import InputError

UNFINISHED = ".unfinished-"
PART = ".part"
LEAST_AGE_S = 60.0  # younger ones may be between their making and their locking
NAME_BYTES = 80  # of the final name that stand in a temporary one


def made_once(
    place: Path, make: Callable[[Path], None], *, mode: int = 0o755, whole: Callable[[Path], bool] | None = None
) -> Path:
    """The folder `place`, filled by `make` unless it is already there. Errors of `make` pass through.

    `mode` is the folder's: 0o700 for what holds a user's own data. One that is there and not `whole` is set aside, to
    be swept with what dead processes left, and made again.
    """
    if place.is_dir() and (whole is None or whole(place)):
        with suppress(OSError):
            os.utime(place)  # used last: what is swept first is what nobody uses
        return place
    place.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(place.with_name(f".{place.name}.lock")):
        if place.is_dir():
            if whole is None or whole(place):
                return place
            place.rename(place.with_name(f"{UNFINISHED}{secrets.token_hex(4)}"))
        with unfinished_folder(place.parent) as unfinished:
            make(unfinished)
            unfinished.chmod(mode)
            unfinished.replace(place)
    return place


@contextmanager
def unfinished_folder(
    parent: Path, prefix: str = UNFINISHED, *, known: Callable[[Path], bool] | None = None
) -> Iterator[Path]:
    """A new folder to fill and to move away; what is left of it is removed, and so are those of dead processes."""
    sweep_unfinished(parent, prefix, known=known)
    folder = Path(tempfile.mkdtemp(prefix=prefix, dir=parent))
    held = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        with suppress(OSError):  # a file system without locks: there, nothing of ours is swept either
            fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield folder
    finally:
        os.close(held)
        shutil.rmtree(folder, ignore_errors=True)


def sweep_unfinished(parent: Path, prefix: str = UNFINISHED, *, known: Callable[[Path], bool] | None = None) -> int:
    """Remove the unfinished folders whose makers have ended, where they are `known`; gives the bytes that are freed."""
    freed, ours = 0, re.compile(re.escape(prefix) + r"[a-z0-9_]{8}")
    with suppress(OSError):  # another sweeps at the same time, or it is not ours to look at
        for folder in parent.iterdir():
            if ours.fullmatch(folder.name) and _is_left(folder) and (known is None or known(folder)):
                freed += size_of(folder)
                shutil.rmtree(folder, ignore_errors=True)
    return freed


def is_being_made(parent: Path, prefix: str = UNFINISHED) -> bool:
    """Whether a living process holds an unfinished folder there."""
    with suppress(OSError):
        return any(_is_held(each) for each in parent.iterdir() if each.name.startswith(prefix))
    return False


def size_of(place: Path) -> int:
    """The bytes of a file, or of all files below a folder; links are not followed."""
    try:
        about = place.lstat()
        if not stat.S_ISDIR(about.st_mode):
            return about.st_size
        return sum(map(size_of, place.iterdir()))
    except OSError:
        return 0  # removed meanwhile


def _is_left(folder: Path) -> bool:
    try:
        return time.time() - folder.lstat().st_mtime >= LEAST_AGE_S and not _is_held(folder)
    except OSError:
        return False


def _is_held(folder: Path) -> bool:
    """Whether a living process holds it. Raises `OSError` where it is no folder."""
    held = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    try:
        fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return True
    finally:
        os.close(held)
    return False


@contextmanager
def written_whole(file: Path, *, mode: int = 0o666) -> Iterator[Path]:
    """A path to write to, whose content is that of `file` at the end; after an error `file` is as it was.

    A file gets `mode` less the user's mask, or keeps its own where it was there; the target of a link is written, not
    the link replaced; a device or pipe is written into. Raises `InputError` where there is no such directory, or a
    directory is in its place.
    """
    file = _checked(file)
    if file.exists() and not file.is_file():
        with tempfile.TemporaryDirectory(prefix="edgewright-") as folder:
            content = Path(folder) / "content"
            content.touch()
            yield content
            with content.open("rb") as source, file.open("wb", buffering=0) as sink:
                shutil.copyfileobj(source, sink)
        return
    unfinished = _new_beside(file, mode)
    try:
        yield unfinished
        os.replace(unfinished, file)
    finally:
        unfinished.unlink(missing_ok=True)


def _checked(file: Path) -> Path:
    """Where a file really lies. Raises `InputError`."""
    try:
        real = file.resolve() if file.is_symlink() else file
        if real.is_dir():
            raise InputError(f"{file} is a folder; give the name of a file in it")
        if not real.parent.is_dir():
            raise InputError(f"there is no folder {real.parent} to write {real.name} into; make it, or choose another")
    except (
        OSError,
        RuntimeError,
        ValueError,
    ) as error:  # a circle of links, a name that is too long or has a zero byte
        raise InputError(f"{str(file)!r:.300} is no file that can be written: {error}; choose another name") from error
    return real


def _new_beside(file: Path, mode: int) -> Path:
    """A new file under a name that nobody can foresee, in the same folder; no link is followed."""
    kept = stat.S_IMODE(file.stat().st_mode) if file.exists() else None
    shown = os.fsencode(file.name)[:NAME_BYTES].decode(errors="ignore")
    place = file.with_name(f".{shown}.{secrets.token_hex(8)}{PART}")
    handle = os.open(place, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, mode)
    try:
        if kept is not None:
            os.fchmod(handle, kept)
    finally:
        os.close(handle)
    return place
