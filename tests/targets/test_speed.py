"""How fast storage and link are: measured through any target, and nothing stays there."""

from pathlib import Path

import pytest

from edgewright.errors import UnreachableError
from edgewright.targets.base import Completed
from edgewright.targets.speed import copied_s, measure_speeds
from edgewright.targets.transports.fake import FakeTarget


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("16777216 bytes (17 MB, 16 MiB) copied, 0.0123 s, 1.4 GB/s", 0.0123),
        ("16777216 bytes (16.0MB) copied, 2.5 seconds, 6.4MB/s", 2.5),
        ("16777216 bytes copied, 1.5e-01 s, 1.0 G/s\n12.00 12.00", 0.15),
        ("16+0 records in\n100.10 100.60\n", 0.5),
        ("100.10 100.11\n", None),  # too short for the clock
        ("100.60 100.10\n", None),
        ("copied, 0 s", None),
        ("dd: writing: No space left on device", None),
        ("", None),
    ],
)
def test_the_time_of_a_copy_is_read_whichever_dd_tells_it(text: str, seconds: float | None) -> None:
    assert copied_s(text) == (None if seconds is None else pytest.approx(seconds))


def test_link_and_storage_are_measured_and_the_file_is_gone(tmp_path: Path) -> None:
    target = FakeTarget(tmp_path)
    found = measure_speeds(target, file_bytes=1 << 20)
    assert found.upload_mb_s > 0
    assert found.download_mb_s > 0
    assert 0 < found.round_trip_ms < 60_000
    assert not list((tmp_path / ".edgewright").rglob("sent"))
    assert not list((tmp_path / ".edgewright").rglob("copy"))


def test_a_machine_whose_dd_cannot_tells_nothing_of_its_storage(tmp_path: Path) -> None:
    refused = Completed(argv=(), status=1, stdout="", stderr="dd: invalid flag: direct")
    found = measure_speeds(FakeTarget(tmp_path, answers={"sh": refused}), file_bytes=1 << 16)
    assert (found.storage_write_mb_s, found.storage_read_mb_s) == (None, None)


def test_a_machine_that_is_lost_is_reported_once(tmp_path: Path) -> None:
    lost = UnreachableError("the connection to fake: was lost")
    with pytest.raises(UnreachableError, match="was lost"):
        measure_speeds(FakeTarget(tmp_path, answers={"sh": lost, "rm": lost}), file_bytes=1 << 16)
