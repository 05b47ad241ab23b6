"""A bundle in the place of another: only where that is known by its content for one of ours, whole or not at all.

In:  the place where a bundle is to be written.
Out: leave to write there, or an `InputError` that says why not; a folder to make it in, and the swap of the two.
"""

import hashlib
import os
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

from edgewright.base.digest import sha256_of
from edgewright.base.once import sweep_unfinished, unfinished_folder
from edgewright.base.places import home_dir
from edgewright.bundles.files import (
    MANIFEST,
    MANIFEST_LIMITS,
    NAME_BYTES,
    files_listed_by,
    files_listed_in,
    intact,
    read_manifest,
)
from edgewright.errors import InputError, InvalidFileError

OTHER = "choose another place with -o, or replace it with --force"
_WORK = ("bundle", "bundle.zip", "before")  # in an unfinished folder: what is made, and what it takes the place of


def require_replaceable(output: Path, *, force: bool = False) -> None:
    """Refuse to write over anything but an empty folder or a bundle that is known by its content for one of ours.

    With `force` another file or folder may go, too, but none that the user stands in or lives in. Raises `InputError`.
    """
    _require_place(output)
    if output.is_symlink():
        if not force:
            raise InputError(f"{output} is a link to {output.readlink()}; give the place itself, or use --force")
    elif output.is_dir():
        if force:
            _require_nobody_inside(output)
        elif why := _foreign_in_folder(output):
            raise InputError(f"{output} holds files that are no bundle ({why}); {OTHER}")
    elif output.exists():
        if output.suffix != ".zip" or not output.is_file():
            raise InputError(f"{output} is a file; give a folder, or a name ending in .zip, with -o")
        if not force and (why := _foreign_in_archive(output)):
            raise InputError(f"{output} is no archive of a bundle ({why}); {OTHER}")


@contextmanager
def place_for(output: Path) -> Iterator[Path]:
    """A folder beside the output to make a bundle in; what killed processes left there is brought back or removed."""
    prefix = f".{output.name}-edgewright-"
    if not (output.exists() or output.is_symlink()):
        for left in sorted(output.parent.glob(f"{prefix}*/before")):
            if not output.exists() and not _foreign(left):
                left.rename(output)  # it was killed between taking this away and putting another there
    sweep_unfinished(output.parent, prefix, known=_is_work)
    with unfinished_folder(output.parent, prefix, known=_is_work) as folder:
        yield folder


def swap(finished: Path, output: Path, aside: Path) -> None:
    """Put `finished` in the place of `output`; should that fail, what was there before comes back."""
    replaced = output.exists() or output.is_symlink()
    if replaced:
        output.rename(aside)
    try:
        finished.rename(output)
    except OSError:
        if replaced:
            aside.rename(output)
        raise


def _foreign(place: Path) -> str:
    return _foreign_in_folder(place) if place.is_dir() else _foreign_in_archive(place)


def _foreign_in_folder(folder: Path) -> str:
    """Why a folder is no bundle of ours, or empty text where it is one, or holds nothing at all."""
    if not any(folder.iterdir()):
        return ""
    manifest = folder / MANIFEST
    if manifest.is_symlink() or not manifest.is_file():
        return f"it has no {MANIFEST}"
    if manifest.stat().st_size > MANIFEST_LIMITS.bytes:
        return f"its {MANIFEST} is too large"
    try:
        files = files_listed_by(read_manifest(manifest.read_bytes(), shown=str(manifest)))
    except InputError as error:
        return str(error).partition(";")[0]
    if files is None:
        return f"its {MANIFEST} is not that of a bundle"
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        if path.is_dir() and not path.is_symlink():
            continue
        if name != MANIFEST and (path.is_symlink() or not path.is_file() or name not in files):
            return f"{name} is not one of its files"
        if name != MANIFEST and sha256_of(path) != files[name]:
            return f"{name} was changed since"
    return ""


def _foreign_in_archive(archive: Path) -> str:
    try:
        with intact(archive), zipfile.ZipFile(archive) as packed:
            for name, expected in files_listed_in(packed, archive).items():
                with packed.open(name) as member:
                    if _digest(member) != expected:
                        return f"{name} was changed since"
    except KeyError as error:  # a listed file that the archive lacks: it is ours, and cut short
        return "" if archive.is_file() else str(error)
    except (InputError, InvalidFileError) as error:
        return str(error).partition(";")[0]
    return ""


def _digest(member: IO[bytes]) -> str:
    digest = hashlib.sha256()
    while block := member.read(1 << 20):
        digest.update(block)
    return digest.hexdigest()


def _require_place(output: Path) -> None:
    """That something can be written there, before anything is trained for it."""
    try:
        parent = output.absolute().parent
        while not parent.exists():
            parent = parent.parent
        there = parent.is_dir() and os.access(parent, os.W_OK | os.X_OK)
    except OSError as error:
        raise InputError(f"{str(output)[:100]!r} is no place for a bundle: {error}; choose another with -o") from error
    if not output.name.isprintable():
        raise InputError(f"{str(output)[:100]!r} is no name for a bundle; choose another with -o")
    if len(os.fsencode(output.name)) > NAME_BYTES:
        raise InputError(f"the name {output.name[:60]!r}… is too long for a bundle; choose a shorter one with -o")
    if not there:
        raise InputError(f"{output} cannot be written: {parent} is no folder that you may write to; choose another")


def _require_nobody_inside(folder: Path) -> None:
    real = folder.resolve()
    kept = [("the folder you are in", Path.cwd()), ("/", Path("/"))]
    with suppress(InputError):  # who has no home cannot lose it
        kept.append(("your home", home_dir()))
    for name, place in kept:
        if place.resolve().is_relative_to(real):
            raise InputError(f"{folder} is or holds {name}, which is not replaced even with --force; choose another")


def _is_work(folder: Path) -> bool:
    """Whether all that lies in an unfinished folder is ours, and nothing in it is the only copy of a bundle."""
    return all(each.name in _WORK[:2] for each in folder.iterdir())
