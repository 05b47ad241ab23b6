"""A file that comes here whole or not at all.

In:  the path it is to have.
Out: a passing file beside it to write to; it gets its name once all was written, and is removed where that failed.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from edgewright.base.once import written_whole
from edgewright.errors import TransferError


@contextmanager
def arriving(local: Path) -> Iterator[BinaryIO]:
    """Within it the passing file. Raises `TransferError` where it cannot be written."""
    try:
        local.parent.mkdir(parents=True, exist_ok=True)
        with written_whole(local) as partial, partial.open("wb") as sink:
            yield sink
            sink.flush()  # all of it is on its way before it gets its name
    except OSError as error:
        raise TransferError(f"{local} cannot be written ({error.strerror}); check the directory") from error
