"""Put a set of files on a target under a name made from their content: whole and verified, or not at all.

In:  files by the relative paths they get there.
Out: the directory they lie in, `home/kind/<digest>`; what is already there and unharmed is not sent again.
A push that is cut off leaves nothing; two at once do not disturb each other.
"""

import hashlib
import os
import re
import secrets
import tarfile
import tempfile
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from targets.base import Target
from targets.space import FREE_SPACE_SCRIPT, free_bytes
from toolchain.errors import DeviceFullError, InputError, TargetError, TransferError

KINDS = ("runtimes", "bundles")
QUICK_LIMIT_S = 120.0
UNPACK_LIMIT_S = 1800.0
BLOCK_BYTES = 4096
SPARE_BYTES = 1 << 20  # what directories and the file system itself take

# 0: there and whole. 2: not there, or harmed, and how much room there is.
CHECK_SCRIPT = f"""
[ -d "$1" ] && (cd "$1" && sha256sum -c - >/dev/null 2>&1) && exit 0
( {FREE_SPACE_SCRIPT} )
exit 2
"""

# Pushes that were killed leave an archive or directory that nobody waits for; a day later it goes.
UNPACK_SCRIPT = """
archive=$1 incoming=$2 final=$3 sums=$(cat)
whole() { (cd "$1" && printf '%s\\n' "$sums" | sha256sum -c - >/dev/null); }
trap 'rm -rf "$archive" "$incoming"' EXIT
find "${final%/*}" -maxdepth 1 -name '.*incoming-*' -mmin +1440 -exec rm -rf {} + 2>/dev/null
mkdir "$incoming" && tar -x -o -f "$archive" -C "$incoming" || exit 3
rm -f "$archive"
whole "$incoming" || exit 4
if [ -d "$final" ] && ! whole "$final" 2>/dev/null; then
    mv "$final" "$archive"
fi
mv -T "$incoming" "$final" 2>/dev/null || [ -d "$final" ] || mv "$incoming" "$final"
"""


@dataclass(frozen=True, kw_only=True)
class _Item:
    name: str
    source: Path
    sha256: str
    bytes: int
    executable: bool


def push_files(target: Target, files: Mapping[str, Path], *, kind: str) -> PurePosixPath:
    """Make sure these files are on the target; keys are relative POSIX paths, executable files stay so.

    Raises `InputError` for names or files that cannot be sent, `DeviceFullError` before anything is sent when there is
    no room, `TransferError` when what arrived is not what was sent. A set already there costs one command.
    """
    if kind not in KINDS:
        raise InputError(f"{kind!r} is not a kind of pushed files; use {' or '.join(KINDS)}")
    items = [_item(name, source) for name, source in sorted(files.items())]
    if not items:
        raise InputError("there are no files to push; check what was built")
    sums = "".join(f"{item.sha256}  {item.name}\n" for item in items)
    modes = "".join("x" if item.executable else "-" for item in items)
    final = target.home / kind / hashlib.sha256(f"{sums}{modes}".encode()).hexdigest()[:32]
    found = target.run(["sh", "-c", CHECK_SCRIPT, "sh", str(final)], timeout_s=QUICK_LIMIT_S, stdin=sums)
    if found.status != 0:
        _check_room(target, items, found.stdout)
        _send(target, items, sums, final)
    return final


def _item(name: str, source: Path) -> _Item:
    parts = PurePosixPath(name).parts
    if not parts or name.startswith("/") or ".." in parts or str(PurePosixPath(name)) != name:
        raise InputError(f"{name!r} cannot be a pushed file's name; it must be a relative path without ..")
    if re.search(r"[\x00-\x1f\x7f\\]", name) or parts[0].startswith("."):
        raise InputError(f"{name!r} cannot be a pushed file's name; leave out control signs, \\ and a leading dot")
    try:
        with source.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
            status = os.fstat(file.fileno())
    except OSError as error:
        raise InputError(f"{source} cannot be read ({error.strerror}); build it again or check the path") from error
    return _Item(name=name, source=source, sha256=digest, bytes=status.st_size, executable=bool(status.st_mode & 0o100))


def _check_room(target: Target, items: list[_Item], df_text: str) -> None:
    free, needed = free_bytes(df_text), _needed_bytes(items)
    if free is not None and free < needed:
        raise DeviceFullError(target.address, needed / 1e6, free / 1e6)


def _needed_bytes(items: list[_Item]) -> int:
    unpacked = sum(-(-item.bytes // BLOCK_BYTES) * BLOCK_BYTES for item in items)
    return 2 * unpacked + SPARE_BYTES  # the archive and its content, for a moment


def _send(target: Target, items: list[_Item], sums: str, final: PurePosixPath) -> None:
    token = secrets.token_hex(6)
    archive, incoming = final.with_name(f".incoming-{token}.tar"), final.with_name(f".incoming-{token}")
    try:
        with tempfile.TemporaryDirectory(prefix="edgewright-push-") as folder:
            packed = Path(folder) / "files.tar"
            _pack(items, sums, packed)
            target.put(packed, archive)
        argv = ["sh", "-c", UNPACK_SCRIPT, "sh", str(archive), str(incoming), str(final)]
        done = target.run(argv, timeout_s=UNPACK_LIMIT_S, stdin=sums)
        if done.status != 0:
            raise _fault(target, items, done.status, done.stderr, final)
    except BaseException:
        with suppress(Exception):
            target.run(["rm", "-rf", str(archive), str(incoming)], timeout_s=QUICK_LIMIT_S)
        raise


def _pack(items: list[_Item], sums: str, packed: Path) -> None:
    with tarfile.open(packed, "w", format=tarfile.GNU_FORMAT) as tar:
        for item in items:
            member = tarfile.TarInfo(item.name)
            member.size, member.mode, member.mtime = item.bytes, 0o755 if item.executable else 0o644, 0
            with item.source.open("rb") as file:
                tar.addfile(member, file)


def _fault(target: Target, items: list[_Item], status: int, stderr: str, final: PurePosixPath) -> TargetError:
    reason = stderr.strip().splitlines()[-1] if stderr.strip() else f"status {status}"
    if "No space left" in stderr:
        done = target.run(["sh", "-c", FREE_SPACE_SCRIPT, "sh", str(final)], timeout_s=QUICK_LIMIT_S)
        return DeviceFullError(target.address, _needed_bytes(items) / 1e6, (free_bytes(done.stdout) or 0) / 1e6)
    what = "differ from what was sent" if status == 4 else "could not be unpacked"
    return TransferError(f"{target.address}: the pushed files {what} ({reason}); check the device's disk and try again")
