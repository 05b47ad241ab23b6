"""The SHA-256 of files.

In:  a file.
Out: its digest in hex, by which bundles, pushes and caches tell one file from another.
"""

import hashlib
from pathlib import Path


def sha256_of(path: Path) -> str:
    """The sha256 of a file, in hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
