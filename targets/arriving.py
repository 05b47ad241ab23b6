"""A file that comes here whole or not at all.

In:  the path it is to have.
Out: a passing file beside it to write to; it gets its name once all was written, and is removed where that failed.
"""

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from toolchain.errors import TransferError


@contextmanager
def arriving(local: Path) -> Iterator[BinaryIO]:
    """Within it the passing file. Raises `TransferError` where it cannot be written."""
    partial = local.with_name(f".{local.name}.{secrets.token_hex(4)}.part")
    try:
        local.parent.mkdir(parents=True, exist_ok=True)
        with partial.open("xb") as sink:
            yield sink
        os.replace(partial, local)
    except OSError as error:
        raise TransferError(f"{local} cannot be written ({error.strerror}); check the directory") from error
    finally:
        partial.unlink(missing_ok=True)
