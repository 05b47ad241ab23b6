"""Files of bundles: packed the same each time, and unpacked with care."""

import struct
import zipfile
from pathlib import Path

import pytest

from edgewright.bundles import files as bundle_files
from edgewright.bundles.bundle import Bundle, write
from edgewright.bundles.files import check_member
from edgewright.errors import BundleError
from tests.bundles.made import fill, manifest


def test_the_same_files_make_the_same_archive(archive: Path, tmp_path: Path) -> None:
    assert write(tmp_path / "again.zip", manifest, fill).path.read_bytes() == archive.read_bytes()


def test_an_archive_is_unpacked_once(archive: Path) -> None:
    first = Bundle.open(archive)
    (first.folder / "seen").touch()
    assert (Bundle.open(archive).folder / "seen").exists()


@pytest.mark.parametrize("keep", [0.0, 0.3, 0.9, 0.999])
def test_an_archive_cut_short_is_refused_and_leaves_nothing_unpacked(
    archive: Path, tmp_path: Path, keep: float
) -> None:
    whole = archive.read_bytes()
    cut = tmp_path / "cut.zip"
    cut.write_bytes(whole[: int(len(whole) * keep)])
    before = len(list((tmp_path / "cache" / "bundles").iterdir()))
    with pytest.raises(BundleError, match=r"cut\.zip is no whole \.zip archive .*; copy it again"):
        Bundle.open(cut)
    unpacked = [path for path in (tmp_path / "cache" / "bundles").iterdir() if path.suffix != ".lock"]
    assert len(unpacked) == 1 <= before


@pytest.mark.parametrize("name", ["../x", "/etc/x", "a/../../x", "a\nb", "a\\..\\b", "", "..", "a\x00b", "\x1b[2J"])
def test_a_name_that_could_lead_out_is_refused(name: str) -> None:
    with pytest.raises(BundleError, match="could lead out of it"):
        check_member(name)


@pytest.mark.parametrize("name", ["model.pte", "a/b.json", "a..b", "…", "with space"])
def test_a_plain_name_is_accepted(name: str) -> None:
    check_member(name)


def test_an_archive_with_a_member_outside_is_refused_before_anything_is_written(archive: Path, tmp_path: Path) -> None:
    with zipfile.ZipFile(archive, "a") as packed:
        packed.writestr("../../escaped", b"out")
    with pytest.raises(BundleError, match="could lead out of it"):
        Bundle.open(archive)
    assert not list(tmp_path.rglob("escaped"))


def test_an_archive_that_unpacks_to_too_much_is_refused(archive: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bundle_files, "LARGEST_ARCHIVE_BYTES", 1000)
    with zipfile.ZipFile(archive, "a") as packed:
        packed.writestr("more", b"more")
    with pytest.raises(BundleError, match="it is no bundle"):
        Bundle.open(archive)


def test_an_encrypted_archive_is_refused(archive: Path) -> None:
    data = bytearray(archive.read_bytes())
    central = data.index(b"PK\x01\x02")
    struct.pack_into("<H", data, 6, 1)
    struct.pack_into("<H", data, central + 8, 1)
    archive.write_bytes(data)
    with pytest.raises(BundleError, match="copy it again"):
        Bundle.open(archive)


@pytest.mark.parametrize("name", ["a" * 300, "/".join("abcdefghij")])
def test_a_name_that_no_file_can_have_is_refused(name: str) -> None:
    with pytest.raises(BundleError, match="too long a name"):
        check_member(name)


def test_a_refused_archive_leaves_nothing_in_the_cache(archive: Path, tmp_path: Path) -> None:
    zeros = tmp_path / "zeros.zip"
    with zipfile.ZipFile(zeros, "w", zipfile.ZIP_DEFLATED) as packed:
        packed.writestr("manifest.json", "{}")
        packed.writestr("model.pte", bytes(50_000_000))
    with pytest.raises(BundleError, match=r"is no bundle|has no sha256"):
        Bundle.open(zeros)
    with zipfile.ZipFile(archive, "a") as packed:
        packed.writestr("more.bin", bytes(50_000_000))
    with pytest.raises(BundleError, match=r"holds more\.bin, which its manifest does not list"):
        Bundle.open(archive)
    assert sum(path.stat().st_size for path in (tmp_path / "cache").rglob("*") if path.is_file()) < 10_000


def test_an_archive_whose_file_was_changed_leaves_nothing_in_the_cache(archive: Path, tmp_path: Path) -> None:
    changed = tmp_path / "changed.zip"
    with zipfile.ZipFile(archive) as packed, zipfile.ZipFile(changed, "w") as again:
        for member in packed.infolist():
            content = packed.read(member)
            again.writestr(member.filename, content[::-1] if member.filename == "model.pte" else content)
    cached = tmp_path / "cache" / "bundles"
    before = {path for path in cached.iterdir() if path.suffix != ".lock"}
    with pytest.raises(BundleError, match=r"model\.pte was altered"):
        Bundle.open(changed)
    assert {path for path in cached.iterdir() if path.suffix != ".lock"} == before


def test_an_archive_with_one_name_twice_is_refused(archive: Path) -> None:
    with zipfile.ZipFile(archive, "a") as packed, pytest.warns(UserWarning, match="Duplicate name"):
        packed.writestr("model.pte", b"another")
    with pytest.raises(BundleError, match="has a file twice"):
        Bundle.open(archive)
