"""Make something whole or not at all: a folder once for every process on this machine, or a file.

In:  where it shall lie, and what makes it.
Out: the folder or file. A crash leaves nothing under the final name; whoever comes second while a folder is being made
     waits.
"""

import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock


def made_once(place: Path, make: Callable[[Path], None], *, mode: int = 0o755) -> Path:
    """The folder `place`, filled by `make` unless it is already there. Errors of `make` pass through.

    `mode` is the folder's: 0o700 for what holds a user's own data.
    """
    if place.is_dir():
        return place
    place.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(place.with_name(f".{place.name}.lock")):
        if place.is_dir():
            return place
        unfinished = Path(tempfile.mkdtemp(prefix=".unfinished-", dir=place.parent))
        try:
            make(unfinished)
            unfinished.chmod(mode)
            unfinished.replace(place)
        finally:
            shutil.rmtree(unfinished, ignore_errors=True)
    return place


@contextmanager
def written_whole(file: Path) -> Iterator[Path]:
    """A path beside `file` to write to; it takes the place of `file` at the end, and is gone after an error."""
    unfinished = file.with_name(f"{file.name}.part")
    try:
        yield unfinished
        os.replace(unfinished, file)
    finally:
        unfinished.unlink(missing_ok=True)
