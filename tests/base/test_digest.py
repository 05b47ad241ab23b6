"""A file's digest is that of its bytes."""

import hashlib
from pathlib import Path

from edgewright.base.digest import sha256_of


def test_a_files_digest_is_that_of_its_bytes(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_bytes(b"some bytes" * 1000)
    assert sha256_of(file) == hashlib.sha256(file.read_bytes()).hexdigest()
