"""Put a set of files on a target under a name made from their content: whole and verified, or not at all.

In:  files by the relative paths they get there.
Out: the directory they lie in, `home/kind/<digest>`. A set that is there unharmed costs one command; of another only
     those files travel that no set on the device has, in parts; a push that was cut off goes on where it was.
Large files travel each by itself, and are put together and checked there while the next ones are on their way; the
others travel in one archive. Two pushes at once do not disturb each other. How parts are made is `parts`' concern; what
the device does is in `scripts`.
"""

import hashlib
import os
import re
import secrets
import tarfile
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from edgewright.errors import DeviceFullError, InputError, TargetError, TransferError
from edgewright.targets.base import Completed, Target, or_another_folder
from edgewright.targets.device_store.parts import Link, ahead, parts
from edgewright.targets.device_store.scripts import (
    CANNOT_EXECUTE,
    CHECK_SCRIPT,
    DIFFERS,
    JOIN_SCRIPT,
    UNPACK_SCRIPT,
    WHOLE,
)
from edgewright.targets.device_store.space import FREE_SPACE_SCRIPT, free_bytes
from edgewright.targets.transports.conversation import last_line

KINDS = ("runtimes", "bundles")
QUICK_LIMIT_S = 120.0
UNPACK_LIMIT_S = 1800.0
BLOCK_BYTES = 4096
SPARE_BYTES = 1 << 20  # what directories and the file system itself take
CHUNK_BYTES = 1 << 20
PART_BYTES = 8 << 20  # what a cut costs at most; each part takes a few round trips
ATTEMPTS = 2
HASHING_JOBS = 4
JOINING_JOBS = 2
ARCHIVE = "archive"


@dataclass(frozen=True, kw_only=True)
class _Item:
    name: str
    source: Path
    sha256: str
    bytes: int
    executable: bool

    @property
    def content(self) -> str:
        """What makes a file on the device as good as this one."""
        return f"{self.sha256} {'x' if self.executable else '-'}"

    @property
    def load(self) -> str:
        """What it is called on its way."""
        return self.content.replace(" ", "")


@dataclass(frozen=True, kw_only=True)
class _Set:
    """The files, and the folder they become: `home/kind/digest`."""

    items: tuple[_Item, ...]
    kind: str

    @property
    def plan(self) -> str:
        return "".join(f"{item.content} {item.name}\n" for item in self.items)

    @property
    def digest(self) -> str:
        return hashlib.sha256(self.plan.encode()).hexdigest()[:32]

    def words(self, target: Target) -> list[str]:
        """The arguments every script begins with."""
        return [str(target.home), self.kind, self.digest]


def push_files(target: Target, files: Mapping[str, Path], *, kind: str) -> PurePosixPath:
    """Make sure these files are on the target; keys are relative POSIX paths, executable files stay so.

    Raises `InputError` for names or files that cannot be sent, `DeviceFullError` before anything is sent when there is
    no room, `TransferError` when what arrived is not what was sent. A set already there costs one command.
    """
    if kind not in KINDS:
        raise InputError(f"{kind!r} is not a kind of pushed files; use {' or '.join(KINDS)}")
    if not files:
        raise InputError("there are no files to push; check what was built")
    for name in files:
        _check_name(name)
    with ThreadPoolExecutor(HASHING_JOBS) as hashing:
        hashed = hashing.map(_item, sorted(files), (files[name] for name in sorted(files)))
        _ = target.home  # asked for by the way: a device may take as long to answer as we to hash
        items = tuple(hashed)
    wanted = _Set(items=items, kind=kind)
    faults: list[TransferError] = []
    while (checked := _run(target, CHECK_SCRIPT, wanted.words(target), wanted.plan)).status != WHOLE:
        if len(faults) == ATTEMPTS:
            raise faults[-1]
        try:
            known = {} if faults else _shared(wanted, checked.stdout)
            _send(target, wanted, checked, known=known, alone=bool(faults))
            break
        except TransferError as error:  # another push took the parts, and may have ended; or another set is harmed
            faults.append(error)
    return target.home / kind / wanted.digest


def _check_name(name: str) -> None:
    segments = PurePosixPath(name).parts
    if not segments or name.startswith("/") or ".." in segments or str(PurePosixPath(name)) != name:
        raise InputError(f"{name!r} cannot be a pushed file's name; it must be a relative path without ..")
    if re.search(r"[\x00-\x1f\x7f\\]", name) or segments[0].startswith("."):
        raise InputError(f"{name!r} cannot be a pushed file's name; leave out control signs, \\ and a leading dot")


def _item(name: str, source: Path) -> _Item:
    try:
        with source.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
            status = os.fstat(file.fileno())
    except OSError as error:
        raise InputError(f"{source} cannot be read ({error.strerror}); build it again or check the path") from error
    return _Item(name=name, source=source, sha256=digest, bytes=status.st_size, executable=bool(status.st_mode & 0o100))


def _run(
    target: Target, script: str, words: Sequence[str], stdin: str = "", limit_s: float = QUICK_LIMIT_S
) -> Completed:
    return target.run(["sh", "-c", script, "sh", *words], timeout_s=limit_s, stdin=stdin)


def _shared(wanted: _Set, printed: str) -> dict[str, str]:
    """Where on the device, below its home, there are files as good as ours, by their content."""
    line = re.compile(r"^/.*/sums/(\w+)-([0-9a-f]{32}):([0-9a-f]{64} [-x]) (.+)$", re.M)
    contents = {item.content for item in wanted.items}
    places = {content: f"{kind}/{digest}/{name}" for kind, digest, content, name in line.findall(printed)}
    return {content: place for content, place in places.items() if content in contents}


def _send(
    target: Target, wanted: _Set, state_there: Completed, *, known: Mapping[str, str], alone: bool = False
) -> None:
    """Send what is not `known` to be there; `alone` in a place of our own, which no later push can go on with."""
    missing = [item for item in wanted.items if item.content not in known]
    links = "".join(f"{known[item.content]}\t{item.name}\n" for item in wanted.items if item.content in known)
    _check_room(target, missing, state_there.stdout)
    folder = target.home / wanted.kind
    own = secrets.token_hex(6) if alone else _digest_of(missing)
    incoming = folder / f".incoming-parts-{wanted.digest}-{own},{_boot(state_there.stdout)}" if missing else None
    try:
        joined = _put_parts(target, missing, incoming, state_there.stdout.splitlines()) if incoming is not None else {}
        checked = "\n".join(content for content, done in joined.items() if done.status == WHOLE)
        words = [*wanted.words(target), str(incoming or ""), secrets.token_hex(4), checked]
        done = _run(target, UNPACK_SCRIPT, words, f"{wanted.plan}\n{links}", UNPACK_LIMIT_S)
        if done.status != 0:
            raise _fault(target, missing, [*joined.values(), done], folder)
    except BaseException:
        if incoming is not None:
            with suppress(Exception):
                target.run(["rm", "-rf", str(incoming)], timeout_s=QUICK_LIMIT_S)
        raise


def _boot(printed: str) -> str:
    """Which start of the machine's this is, as it says; parts from before are not gone on with."""
    match = re.search(r"^boot ([0-9a-z-]{1,40})$", printed, re.M)
    return match[1] if match else "unknown"


def _digest_of(items: Sequence[_Item]) -> str:
    """What these files are called on their way: what an earlier push left of the same ones can be gone on with."""
    return hashlib.sha256("".join(f"{item.content} {item.name}\n" for item in items).encode()).hexdigest()[:32]


def _put_parts(
    target: Target, items: Sequence[_Item], incoming: PurePosixPath, listed: Sequence[str]
) -> dict[str, Completed]:
    """Send the parts that are not there; what the device said of each large file, by its content."""
    there = {line.rpartition("/")[2] for line in listed if line.startswith(f"./{incoming.name}/")}
    largest_first = sorted(items, key=lambda item: item.bytes, reverse=True)
    large = {item.content: item for item in largest_first if item.bytes > PART_BYTES}
    small = [item for item in items if item.bytes <= PART_BYTES]
    link = Link(opens_gzip="gzip" in listed)
    joins: dict[str, Future[Completed]] = {}
    with ThreadPoolExecutor(JOINING_JOBS, thread_name_prefix="edgewright-joining") as joining:

        def send(load: str, chunks: Iterable[bytes]) -> None:
            with closing(ahead(parts(load, chunks, there, link=link, size=PART_BYTES))) as read_ahead:
                for part in read_ahead:
                    begun = time.perf_counter()
                    target.put(part.content, incoming / part.name)
                    link.sent(len(part.content), time.perf_counter() - begun)

        try:
            for content, item in large.items():
                if f"{item.load}.whole" not in there:
                    send(item.load, _chunks(item))
                words = [str(incoming), item.load, item.sha256, secrets.token_hex(4)]
                joins[content] = joining.submit(_run, target, JOIN_SCRIPT, words, limit_s=UNPACK_LIMIT_S)
            if small:
                send(ARCHIVE, _packed(small))
            return {content: join.result() for content, join in joins.items()}
        except BaseException:
            joining.shutdown(wait=False, cancel_futures=True)  # the one that runs is waited for on the way out
            raise


def _chunks(item: _Item) -> Iterator[bytes]:
    """A file's bytes. One that changes meanwhile is noticed on the device."""
    with item.source.open("rb") as file:
        while chunk := file.read(CHUNK_BYTES):
            yield chunk


def _packed(items: Sequence[_Item]) -> Iterator[bytes]:
    """The bytes of a tar archive."""
    for item in items:
        member = tarfile.TarInfo(item.name)
        member.size, member.mode, member.mtime = item.bytes, 0o755 if item.executable else 0o644, 0
        yield member.tobuf(tarfile.GNU_FORMAT)
        yield from _chunks(item)
        yield b"\0" * (-item.bytes % tarfile.BLOCKSIZE)
    yield b"\0" * (2 * tarfile.BLOCKSIZE)


def _check_room(target: Target, items: Sequence[_Item], df_text: str) -> None:
    free, needed = free_bytes(df_text), _needed_bytes(items)
    if free is not None and free < needed:
        raise DeviceFullError(target.address, needed / 1e6, free / 1e6)


def _needed_bytes(items: Sequence[_Item]) -> int:
    unpacked = sum(-(-item.bytes // BLOCK_BYTES) * BLOCK_BYTES for item in items)
    return 2 * unpacked + SPARE_BYTES  # the archive and its content, for a moment


def _fault(target: Target, items: Sequence[_Item], completed: Sequence[Completed], place: PurePosixPath) -> TargetError:
    """What the last command's failure means; an earlier one may have given the reason."""
    if any("No space left" in done.stderr for done in completed):
        room = _run(target, FREE_SPACE_SCRIPT, [str(place)])
        return DeviceFullError(target.address, _needed_bytes(items) / 1e6, (free_bytes(room.stdout) or 0) / 1e6)
    last = completed[-1]
    reason = last_line(last.stderr) or f"status {last.status}"
    if last.status == CANNOT_EXECUTE:
        return TargetError(
            f"{target.address}: programs cannot be executed in {target.home} ({reason}), as where a file system is "
            f"mounted noexec; mount it otherwise{or_another_folder(target.address)}"
        )
    what = "differ from what was sent" if last.status == DIFFERS else "could not be unpacked"
    return TransferError(
        f"{target.address}: the pushed files {what} ({reason}); check the "
        f"device's disk and try again{or_another_folder(target.address)}"
    )
