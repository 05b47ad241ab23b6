"""Make something once for every process on this machine, whole or not at all.

In:  where it shall lie, and a function that makes it in an empty folder.
Out: the folder. Whoever comes second while it is being made waits; a crash leaves nothing under the final name.
"""

import shutil
import tempfile
from collections.abc import Callable
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
