"""The files of a bundle: sealed by their manifest, packed and unpacked, and never put in the place of anything else.

In:  a folder or a `.zip` archive, or where one is to be written.
Out: a manifest's values, once it is as it was written; verified files; leave to write, or a `BundleError` or
     `InputError` that says why not. What the values mean is `bundle`'s concern.
"""

import hashlib
import json
import os
import re
import struct
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path, PurePosixPath
from typing import IO, Any

from edgewright.base.digest import sha256_of
from edgewright.base.once import made_once, sweep_unfinished, unfinished_folder
from edgewright.base.places import cache_dir, home_dir
from edgewright.base.untrusted import ReadLimits, parse_json
from edgewright.errors import BundleError, InputError, InvalidFileError

MANIFEST = "manifest.json"
SEAL = "sha256"
UNSEALED_VERSION = 1  # of the manifests that earlier versions wrote
LARGEST_ARCHIVE_BYTES = 4 << 30
MOST_MEMBERS = 1000
NAME_BYTES = 200
AGAIN = "build it again, or copy it again from where it was whole"
OTHER = "choose another place with -o, or replace it with --force"
# What zipfile raises on damage: RuntimeError for a bit that says "encrypted", ValueError for names and offsets, ….
_NOT_WHOLE = (zipfile.BadZipFile, EOFError, RuntimeError, ValueError, struct.error, zlib.error)
_MANIFEST_LIMITS = ReadLimits(bytes=64 << 20)
_DIGEST = re.compile(r"[0-9a-f]{64}")
_WORK = ("bundle", "bundle.zip", "before")  # in an unfinished folder: what is made, and what it takes the place of


def seal(values: Mapping[str, Any]) -> str:
    """A manifest's text, which ends with the sha256 of all the rest of it in a canonical form."""
    return _written({**values, SEAL: _digest_of(values)})


def read_manifest(data: bytes, *, shown: str) -> dict[str, Any]:
    """The values of a manifest without its seal, once it is known to be as it was written.

    Raises `BundleError` for one that was changed since, or is no JSON object with a seal. One of the first version has
    none, and is given as it is: `Bundle.open` refuses it for its age.
    """

    def fault(place: str, what: str) -> BundleError:
        return BundleError(f"{shown} cannot be read: {place} {what}; {AGAIN}")

    values = parse_json(data, name=shown, limits=_MANIFEST_LIMITS, error=fault)
    if not isinstance(values, dict):
        raise BundleError(f"{shown} is no manifest of a bundle; make one with `edgewright build`")
    sealed = values.pop(SEAL, None)
    if sealed is None and values.get("schema_version") == UNSEALED_VERSION:
        return values
    if sealed is None:
        raise BundleError(f"{shown} has no {SEAL} of itself; {AGAIN}")
    if sealed != _digest_of(values) or data.decode("utf-8", "replace") != _written({**values, SEAL: sealed}):
        raise BundleError(f"{shown} was altered: it is not what its {SEAL} was taken of; {AGAIN}")
    return values


def verify(folder: Path, files: Mapping[str, str], *, shown: Path) -> None:
    """Check every file against its sha256. Raises `BundleError` naming the one that is missing, a link or altered."""
    for name, expected in files.items():
        check_member(name)
        path = _unlinked(folder, name)
        if path is None or not path.is_file():
            raise BundleError(f"{shown} lacks {name}; {AGAIN}")
        if (found := sha256_of(path)) != expected:
            raise BundleError(f"{shown}/{name} was altered: its sha256 is {found[:12]}…, not {expected[:12]}…; {AGAIN}")


def check_member(name: str) -> None:
    """Refuse a name that could lead out of the bundle, or that no file can have. Raises `BundleError`."""
    path = PurePosixPath(name)
    if not path.parts or path.is_absolute() or ".." in path.parts or "\\" in name or not name.isprintable():
        raise BundleError(f"the bundle names a file {name!r:.200}, which could lead out of it; do not use this bundle")
    if max(len(part.encode()) for part in path.parts) > NAME_BYTES or len(path.parts) > 8:
        raise BundleError(f"the bundle names a file {name[:60]!r}…, which is too long a name; do not use this bundle")


def file_names(folder: Path) -> list[str]:
    """The files in a folder that is being made, by their paths in it."""
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())


def archived(folder: Path, archive: Path) -> Path:
    """The folder as an archive: the same files make the same bytes."""
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as packed:
        for name in file_names(folder):
            packed.writestr(zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0)), (folder / name).read_bytes())
    return archive


def unpacked(archive: Path) -> Path:
    """The archive's files in the cache, under its hash, so that it is unpacked once.

    Raises `BundleError` for an archive that is no whole bundle; nothing of it stays.
    """
    place = cache_dir("bundles") / sha256_of(archive)[:32]
    with _whole(archive):
        made_once(place, lambda into: _unpack(archive, into), mode=0o700)
    return place


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


def _written(values: Mapping[str, Any]) -> str:
    return json.dumps(values, indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def _digest_of(values: Mapping[str, Any]) -> str:
    canonical = json.dumps(values, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    return hashlib.sha256(canonical.encode()).hexdigest()


def _unlinked(folder: Path, name: str) -> Path | None:
    """The path of a member; None where it, or a folder on the way to it, is a link."""
    path = folder
    for part in PurePosixPath(name).parts:
        path = path / part
        if path.is_symlink():
            return None
    return path


@contextmanager
def _whole(archive: Path) -> Iterator[None]:
    try:
        yield
    except _NOT_WHOLE as error:
        raise BundleError(f"{archive} is no whole .zip archive ({error}); copy it again") from error


def _unpack(archive: Path, into: Path) -> None:
    """Only once it is known for a bundle by its manifest, and only what that lists."""
    with zipfile.ZipFile(archive) as packed:
        files = _listed_in(packed, archive)
        packed.extractall(into)
    verify(into, files, shown=archive)


def _listed_in(packed: zipfile.ZipFile, archive: Path) -> Mapping[str, str]:
    """The files that the manifest in an archive lists, once the members are just those and it. Raises `BundleError`."""
    members = packed.infolist()
    for member in members:
        check_member(member.filename)
        if member.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED) or member.header_offset < 0:
            raise zipfile.BadZipFile(f"the entry of {member.filename} is damaged")
    if sum(member.file_size for member in members) > LARGEST_ARCHIVE_BYTES:
        raise BundleError(f"{archive} unpacks to more than {LARGEST_ARCHIVE_BYTES >> 30} GiB; it is no bundle")
    names = [member.filename for member in members]
    if MANIFEST not in names:
        raise BundleError(f"{archive} is no bundle: it has no {MANIFEST}; make one with `edgewright build`")
    if packed.getinfo(MANIFEST).file_size > _MANIFEST_LIMITS.bytes:
        raise BundleError(f"{archive} is no bundle: its {MANIFEST} is too large; {AGAIN}")
    files = _files_of(read_manifest(packed.read(MANIFEST), shown=f"{archive}/{MANIFEST}"))
    if files is None:
        raise BundleError(f"{archive} is no bundle: its {MANIFEST} lists no files; {AGAIN}")
    if len(names) != len(set(names)) or len(names) > MOST_MEMBERS:
        raise BundleError(f"{archive} has a file twice, or more than {MOST_MEMBERS} of them; it is no bundle")
    if strange := sorted(set(names) - {*files, MANIFEST}):
        raise BundleError(f"{archive} holds {strange[0]}, which its manifest does not list; {AGAIN}")
    return files


def _files_of(values: Mapping[str, Any]) -> Mapping[str, str] | None:
    """What a manifest says that its files are; None where it is no manifest of a bundle."""
    files = values.get("files")
    told = isinstance(values.get("edgewright"), str) and isinstance(values.get("artifacts"), list)
    if not told or not isinstance(files, dict) or not files:
        return None
    return files if all(isinstance(each, str) and _DIGEST.fullmatch(each) for each in files.values()) else None


def _foreign(place: Path) -> str:
    return _foreign_in_folder(place) if place.is_dir() else _foreign_in_archive(place)


def _foreign_in_folder(folder: Path) -> str:
    """Why a folder is no bundle of ours, or empty text where it is one, or holds nothing at all."""
    if not any(folder.iterdir()):
        return ""
    manifest = folder / MANIFEST
    if manifest.is_symlink() or not manifest.is_file():
        return f"it has no {MANIFEST}"
    if manifest.stat().st_size > _MANIFEST_LIMITS.bytes:
        return f"its {MANIFEST} is too large"
    try:
        files = _files_of(read_manifest(manifest.read_bytes(), shown=str(manifest)))
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
        with _whole(archive), zipfile.ZipFile(archive) as packed:
            for name, expected in _listed_in(packed, archive).items():
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
