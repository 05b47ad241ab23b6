"""The files of a bundle: sealed by their manifest, packed and unpacked with care.

In:  a folder or a `.zip` archive.
Out: a manifest's values, once it is as it was written; verified files, or a `BundleError` that says why not. What the
     values mean is `schema`'s concern, what a bundle may take the place of `replacing`'s.
"""

import hashlib
import json
import re
import struct
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path, PurePosixPath

from edgewright.base.digest import sha256_of
from edgewright.base.once import made_once
from edgewright.base.places import cache_dir
from edgewright.base.untrusted import ReadLimits, parse_json
from edgewright.errors import BundleError

MANIFEST = "manifest.json"
SEAL = "sha256"
UNSEALED_VERSION = 1  # of the manifests that earlier versions wrote
LARGEST_ARCHIVE_BYTES = 4 << 30
MOST_MEMBERS = 1000
NAME_BYTES = 200
AGAIN = "build it again, or copy it again from where it was whole"
# What zipfile raises on damage: RuntimeError for a bit that says "encrypted", ValueError for names and offsets, ….
_NOT_WHOLE = (zipfile.BadZipFile, EOFError, RuntimeError, ValueError, struct.error, zlib.error)
MANIFEST_LIMITS = ReadLimits(bytes=64 << 20)
_DIGEST = re.compile(r"[0-9a-f]{64}")


def seal(values: Mapping[str, object]) -> str:
    """A manifest's text, which ends with the sha256 of all the rest of it in a canonical form."""
    return _written({**values, SEAL: _digest_of(values)})


def read_manifest(data: bytes, *, shown: str) -> dict[str, object]:
    """The values of a manifest without its seal, once it is known to be as it was written.

    Raises `BundleError` for one that was changed since, or is no JSON object with a seal. One of the first version has
    none, and is given as it is: `Bundle.open` refuses it for its age.
    """

    def fault(place: str, what: str) -> BundleError:
        return BundleError(f"{shown} cannot be read: {place} {what}; {AGAIN}")

    values = parse_json(data, name=shown, limits=MANIFEST_LIMITS, error=fault)
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


@contextmanager
def readable(place: Path) -> Iterator[None]:
    """Raise `BundleError` where a bundle's files cannot be read for their rights or their place."""
    try:
        yield
    except OSError as error:
        raise BundleError(f"{str(place)[:200]} cannot be read ({error.strerror}); check its path and rights") from error


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
    with intact(archive):
        made_once(place, lambda into: _unpack(archive, into), mode=0o700)
    return place


def _written(values: Mapping[str, object]) -> str:
    return json.dumps(values, indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def _digest_of(values: Mapping[str, object]) -> str:
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
def intact(archive: Path) -> Iterator[None]:
    """Raise `BundleError` where an archive is damaged."""
    try:
        yield
    except _NOT_WHOLE as error:
        raise BundleError(f"{archive} is no whole .zip archive ({error}); copy it again") from error


def _unpack(archive: Path, into: Path) -> None:
    """Only once it is known for a bundle by its manifest, and only what that lists."""
    with zipfile.ZipFile(archive) as packed:
        files = files_listed_in(packed, archive)
        packed.extractall(into)
    verify(into, files, shown=archive)


def files_listed_in(packed: zipfile.ZipFile, archive: Path) -> Mapping[str, str]:
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
    if packed.getinfo(MANIFEST).file_size > MANIFEST_LIMITS.bytes:
        raise BundleError(f"{archive} is no bundle: its {MANIFEST} is too large; {AGAIN}")
    files = files_listed_by(read_manifest(packed.read(MANIFEST), shown=f"{archive}/{MANIFEST}"))
    if files is None:
        raise BundleError(f"{archive} is no bundle: its {MANIFEST} lists no files; {AGAIN}")
    if len(names) != len(set(names)) or len(names) > MOST_MEMBERS:
        raise BundleError(f"{archive} has a file twice, or more than {MOST_MEMBERS} of them; it is no bundle")
    if strange := sorted(set(names) - {*files, MANIFEST}):
        raise BundleError(f"{archive} holds {strange[0]}, which its manifest does not list; {AGAIN}")
    return files


def files_listed_by(values: Mapping[str, object]) -> Mapping[str, str] | None:
    """What a manifest says that its files are; None where it is no manifest of a bundle."""
    files = values.get("files")
    told = isinstance(values.get("edgewright"), str) and isinstance(values.get("artifacts"), list)
    if not told or not isinstance(files, dict) or not files:
        return None
    return files if all(isinstance(each, str) and _DIGEST.fullmatch(each) for each in files.values()) else None
