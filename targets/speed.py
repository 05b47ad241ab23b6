"""How fast a machine's storage is, and the link to it: measured with a file of random bytes that is gone afterwards.

In:  an open target.
Out: `Speeds`, in MB/s and ms; what a machine has no means to measure is None.
"""

import os
import re
import secrets
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from edgewright.base.numbers import float_or_none
from edgewright.errors import TargetError
from edgewright.targets.base import Target

FILE_BYTES = 16 << 20
ROUND_TRIPS = 5
QUICK_LIMIT_S = 60.0
COPY_LIMIT_S = 600.0
LEAST_TIMED_S = 0.05  # five ticks of the clock that is read where dd does not tell the time

# Debian's busybox is built without the line in which dd tells how long it took.
COPY_SCRIPT = """
read -r begun _ </proc/uptime
LC_ALL=C dd bs=1048576 "$@" || exit
read -r ended _ </proc/uptime
echo "$begun $ended" >&2
"""


@dataclass(frozen=True, kw_only=True)
class Speeds:
    """The link as a file goes there and back, one command's round trip, and storage past every cache."""

    round_trip_ms: float
    upload_mb_s: float
    download_mb_s: float
    storage_write_mb_s: float | None
    storage_read_mb_s: float | None


def measure_speeds(target: Target, *, file_bytes: int = FILE_BYTES) -> Speeds:
    """Send a file, copy it there down to the disk, read that past the page cache, and fetch it."""
    folder = target.home / "probe" / secrets.token_hex(6)
    there, copy = folder / "sent", folder / "copy"
    try:
        with tempfile.TemporaryDirectory(prefix="edgewright-probe-") as here:
            local, back = Path(here, "sent"), Path(here, "back")
            local.write_bytes(os.urandom(file_bytes))
            round_trip_s = min(_seconds(lambda: target.run(["true"], timeout_s=60.0)) for _ in range(ROUND_TRIPS))
            upload_s = _seconds(lambda: target.put(local, there))
            write_s = _copied(target, f"if={there}", f"of={copy}", "conv=fsync")
            read_s = _copied(target, f"if={copy}", "of=/dev/null", "iflag=direct")
            download_s = _seconds(lambda: target.get(there, back, limit_bytes=file_bytes))
    finally:
        with suppress(TargetError):  # a machine that was lost was reported already
            target.run(["rm", "-rf", str(folder)], timeout_s=QUICK_LIMIT_S)
    megabytes = file_bytes / 1e6
    return Speeds(
        round_trip_ms=1000 * round_trip_s,
        upload_mb_s=megabytes / upload_s,
        download_mb_s=megabytes / download_s,
        storage_write_mb_s=megabytes / write_s if write_s else None,
        storage_read_mb_s=megabytes / read_s if read_s else None,
    )


def copied_s(dd_text: str) -> float | None:
    """The seconds that `dd` (GNU's, busybox's or toybox's) says it took, else those that the clock says."""
    if match := re.search(r"copied, ([0-9.]+(?:e[-+]?\d+)?) s", dd_text):
        return float_or_none(match[1]) or None
    if match := re.search(r"^(\d+\.\d+) (\d+\.\d+)$", dd_text, re.M):
        begun_s, ended_s = map(float_or_none, match.groups())
        took_s = ended_s - begun_s if begun_s is not None and ended_s is not None else 0.0
        return took_s if took_s >= LEAST_TIMED_S else None
    return None


def _copied(target: Target, *words: str) -> float | None:
    done = target.run(["sh", "-c", COPY_SCRIPT, "sh", *words], timeout_s=COPY_LIMIT_S)
    return copied_s(done.stderr) if done.status == 0 else None


def _seconds(work: Callable[[], object]) -> float:
    begun = time.perf_counter()
    work()
    return time.perf_counter() - begun
