"""Stage results kept under the hash of what they were made from, so that a build goes on where it stopped.

In:  a stage's name and version, everything its result depends on, and a function that fills a folder.
Out: a finished folder. It appears under its name only once the function has returned; a crash or Ctrl-C leaves
     nothing that a later run could take for a result.
What the folder holds is the stage's business.
"""

import hashlib
import json
import logging
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

from edgewright.base.once import made_once
from edgewright.base.places import cache_dir

RECORD = "stage.json"
log = logging.getLogger(__name__)
ARTIFACT_PACKAGES = (
    "torch",
    "transformers",
    "executorch",
    "torchao",
    "litert-torch",
    "ai-edge-litert",
    "ai-edge-quantizer",
)
MODEL_PACKAGES = ("torch", "transformers")  # those that shape a float model


@dataclass(frozen=True, kw_only=True)
class CacheEntry:
    """A result that is kept: where its files are, and what it cost this time and when it was made."""

    name: str
    key: str
    folder: Path
    cached: bool
    seconds: float
    made_in_seconds: float


def stage(
    name: str,
    inputs: Mapping[str, object],
    make: Callable[[Path], None],
    *,
    version: int = 1,
    packages: Sequence[str] = ARTIFACT_PACKAGES,
) -> CacheEntry:
    """The folder of a stage, made now unless it has been made before from the same inputs.

    `inputs` must survive JSON; the keys of earlier stages belong in it. Another `version` of the stage, or of one of
    these installed `packages`, makes another result. Two processes that ask for the same result at once make it once.
    A result with a file that is missing, cut short or altered since it was made is set aside with a warning, and made
    again.
    """
    started = time.perf_counter()
    key = _key(name, version, packages, inputs)
    seconds: list[float] = []

    def make_and_record(folder: Path) -> None:
        begun = time.perf_counter()
        make(folder)
        seconds.append(time.perf_counter() - begun)
        record = {"inputs": inputs, "seconds": seconds[0], "files": _files_of(folder)}
        (folder / RECORD).write_text(json.dumps(record, indent=2, default=str), encoding="utf-8")

    def whole(folder: Path) -> bool:
        fault = _fault_of(folder)
        if fault:
            log.warning(
                "the kept result of the stage %s cannot be used (%s in %s); it is made again", name, fault, folder
            )
        return not fault

    place = made_once(cache_dir("stages", name.replace(" ", "-")) / key, make_and_record, mode=0o700, whole=whole)
    record = json.loads((place / RECORD).read_text(encoding="utf-8"))
    return CacheEntry(
        name=name,
        key=key,
        folder=place,
        cached=not seconds,
        seconds=time.perf_counter() - started,
        made_in_seconds=record["seconds"],
    )


def recorded_seconds(name: str, *, newest: int) -> list[float]:
    """How long the newest of the kept stages of this name took to make on this machine."""
    records = list(cache_dir("stages", name.replace(" ", "-")).glob(f"*/{RECORD}"))
    seconds = []
    for record in sorted(records, key=lambda record: record.stat().st_mtime)[-newest:]:
        with suppress(OSError, ValueError, KeyError, TypeError):  # removed meanwhile, or damaged: it tells nothing
            seconds.append(float(json.loads(record.read_text(encoding="utf-8"))["seconds"]))
    return seconds


def _files_of(folder: Path) -> dict[str, list[int | str]]:
    """The size and SHA-256 of each file of a result, by its place in the folder."""
    files: dict[str, list[int | str]] = {}
    for path in sorted(path for path in folder.rglob("*") if path.is_file() and path.name != RECORD):
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        files[path.relative_to(folder).as_posix()] = [path.stat().st_size, digest]
    return files


def _fault_of(folder: Path) -> str:
    """What is wrong with a kept result; empty where it is as it was made."""
    try:
        record = json.loads((folder / RECORD).read_text(encoding="utf-8"))
        float(record["seconds"])
        stated = dict(record["files"])
        files = _files_of(folder)
    except (OSError, ValueError, KeyError, TypeError) as error:
        return f"{RECORD} is damaged, {type(error).__name__}"
    return next((name for name, file in stated.items() if files.get(name) != file), "")


def _key(name: str, version: int, packages: Sequence[str], inputs: Mapping[str, object]) -> str:
    installed = {package: _installed(package) for package in packages}
    stated = json.dumps([name, version, installed, inputs], sort_keys=True, default=str)
    return hashlib.sha256(stated.encode()).hexdigest()[:32]


def _installed(package: str) -> str:
    """The version of a package that shapes results; empty where it is absent."""
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return ""
