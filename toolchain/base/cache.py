"""Stage results kept under the hash of what they were made from, so that a build goes on where it stopped.

In:  a stage's name, everything its result depends on, and a function that fills a folder.
Out: a finished folder. It appears under its name only once the function has returned; a crash or Ctrl-C leaves
     nothing that a later run could take for a result.
What the folder holds is the stage's business.
"""

import hashlib
import json
import logging
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import Any

from edgewright.base.once import made_once
from edgewright.base.places import cache_dir

RECORD = "stage.json"
log = logging.getLogger(__name__)
PACKAGES = ("torch", "transformers", "executorch", "torchao", "litert-torch", "ai-edge-litert", "ai-edge-quantizer")


@dataclass(frozen=True, kw_only=True)
class Code:
    """What makes a stage's results besides its inputs: files and folders of our own, and packages."""

    sources: tuple[str, ...]
    packages: tuple[str, ...]


_MODEL_ROOMS = ("modality", "models", "tasks", "data", "compress", "cost", "specs/structure.py")
# A student that took half an hour outlives a change in how it is exported.
MODEL_CODE = Code(
    sources=(*_MODEL_ROOMS, *(f"stages/{name}.py" for name in ("plan", "teacher", "student", "part_prices", "images"))),
    packages=("torch", "transformers"),
)
ALL_CODE = Code(
    sources=(*_MODEL_ROOMS, "quantize", "runtimes", "measure/parity.py", "devices/host_latency.py", "stages"),
    packages=PACKAGES,
)


@dataclass(frozen=True, kw_only=True)
class StageResult:
    """A finished stage: where its files are, and what it cost this time and when it was made."""

    name: str
    key: str
    folder: Path
    cached: bool
    seconds: float
    made_in_seconds: float


def stage(name: str, inputs: Mapping[str, Any], make: Callable[[Path], None], *, code: Code = ALL_CODE) -> StageResult:
    """The folder of a stage, made now unless it has been made before from the same inputs by the same `code`.

    `inputs` must survive JSON; the keys of earlier stages belong in it. Two processes that ask for the same result
    at once make it once. A result with a file that is missing, cut short or altered since it was made is set aside
    with a warning, and made again.
    """
    started = time.perf_counter()
    key = _key(name, inputs, code)
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
    return StageResult(
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
    found = []
    for record in sorted(records, key=lambda record: record.stat().st_mtime)[-newest:]:
        with suppress(OSError, ValueError, KeyError, TypeError):  # removed meanwhile, or damaged: it tells nothing
            found.append(float(json.loads(record.read_text(encoding="utf-8"))["seconds"]))
    return found


def _files_of(folder: Path) -> dict[str, list[Any]]:
    """The size and SHA-256 of each file of a result, by its place in the folder."""
    found = {}
    for path in sorted(path for path in folder.rglob("*") if path.is_file() and path.name != RECORD):
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        found[path.relative_to(folder).as_posix()] = [path.stat().st_size, digest]
    return found


def _fault_of(folder: Path) -> str:
    """What is wrong with a kept result; empty where it is as it was made."""
    try:
        record = json.loads((folder / RECORD).read_text(encoding="utf-8"))
        float(record["seconds"])
        stated = dict(record["files"])
        found = _files_of(folder)
    except (OSError, ValueError, KeyError, TypeError) as error:
        return f"{RECORD} is damaged, {type(error).__name__}"
    return next((name for name, file in stated.items() if found.get(name) != file), "")


def _key(name: str, inputs: Mapping[str, Any], code: Code) -> str:
    stated = json.dumps([name, _digest(code), inputs], sort_keys=True, default=str)
    return hashlib.sha256(stated.encode()).hexdigest()[:32]


@cache
def _digest(code: Code) -> str:
    """Of the code that makes the results: another version of it makes other results."""
    here = Path(__file__).parents[1]
    digest = hashlib.sha256(json.dumps([metadata.version(name) for name in code.packages]).encode())
    for source in code.sources:
        path = here / source
        for file in [path] if path.is_file() else sorted(path.rglob("*.py")):
            digest.update(file.relative_to(here).as_posix().encode() + b"\0" + file.read_bytes())
    return digest.hexdigest()
