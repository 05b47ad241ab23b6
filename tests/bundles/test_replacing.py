"""Bundles are replaced whole or not at all, and only where they are ours."""

import os
import zipfile
from pathlib import Path

import pytest

from edgewright.bundles.bundle import Bundle, write
from edgewright.bundles.replacing import place_for, require_replaceable
from edgewright.bundles.schema import Manifest
from edgewright.errors import InputError
from tests.bundles.made import FILES, fill, manifest


@pytest.mark.parametrize("fault", [RuntimeError("crash"), KeyboardInterrupt(), OSError(28, "No space left on device")])
@pytest.mark.parametrize("name", ["bundle", "bundle.zip"])
def test_a_failed_write_leaves_the_bundle_before_it_and_nothing_else(
    tmp_path: Path, name: str, fault: BaseException
) -> None:
    place = write(tmp_path / "out" / name, manifest, fill).path

    def fail(folder: Path) -> None:
        (folder / "model.pte").write_bytes(b"half")
        raise fault

    with pytest.raises(type(fault)):
        write(place, manifest, fail)
    assert Bundle.open(place).file("model.pte").read_bytes() == FILES["model.pte"]
    assert [path.name for path in place.parent.iterdir()] == [name]


def test_a_failed_first_write_leaves_nothing(tmp_path: Path) -> None:
    def fail(hashes: dict[str, str]) -> Manifest:
        raise RuntimeError("crash")

    with pytest.raises(RuntimeError):
        write(tmp_path / "out" / "bundle", fail, fill)
    assert list((tmp_path / "out").iterdir()) == []


@pytest.mark.parametrize("name", ["bundle", "bundle.zip"])
def test_a_bundle_is_replaced_by_the_next(tmp_path: Path, name: str) -> None:
    place = write(tmp_path / name, manifest, fill).path

    def fill_anew(folder: Path) -> None:
        fill(folder)
        (folder / "model.pte").write_bytes(FILES["model.pte"][::-1])

    assert write(place, manifest, fill_anew).file("model.pte").read_bytes() == FILES["model.pte"][::-1]
    assert [path.name for path in tmp_path.iterdir() if path.name != "cache"] == [name]


def test_what_stood_there_comes_back_when_it_cannot_be_replaced(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rename = Path.rename

    def refuse(self: Path, target: Path) -> Path:
        if Path(target) == folder and self.name == "bundle" and self.parent.name.startswith(".bundle-"):
            raise OSError(13, "Permission denied")
        return rename(self, target)

    monkeypatch.setattr(Path, "rename", refuse)
    with pytest.raises(OSError, match="Permission denied"):
        write(folder, manifest, fill)
    monkeypatch.undo()
    assert sorted(path.name for path in folder.iterdir()) == sorted([*FILES, "manifest.json"])


def foreign_folder(place: Path) -> None:
    place.mkdir()
    (place / "manifest.json").write_text("{}")
    (place / "src").mkdir()
    (place / "src" / "thesis.tex").write_text("years of work")


def test_a_folder_with_any_manifest_is_not_taken_for_a_bundle(tmp_path: Path) -> None:
    app = tmp_path / "app"
    foreign_folder(app)
    with pytest.raises(InputError, match=r"app holds files that are no bundle .*; choose another place with -o, or"):
        write(app, manifest, fill)
    assert (app / "src" / "thesis.tex").read_text() == "years of work"
    assert Bundle.open(write(app, manifest, fill, force=True).path).manifest.name == "tiny"
    assert not (app / "src").exists()


def test_a_bundle_to_which_a_user_added_or_changed_something_is_not_replaced(folder: Path) -> None:
    for name, content in (("notes.txt", b"mine"), ("sub/notes.txt", b"mine"), ("tokenizer.json", b"{}")):
        before = (folder / name).read_bytes() if (folder / name).exists() else None
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_bytes(content)
        with pytest.raises(InputError, match=f"{name} (is not one of its files|was changed since)"):
            require_replaceable(folder)
        (folder / name).unlink() if before is None else (folder / name).write_bytes(before)
    require_replaceable(folder)
    (folder / "model.pte").unlink()  # an incomplete one is ours all the same
    require_replaceable(folder)
    (folder / "model.pte").symlink_to("/etc/passwd")
    with pytest.raises(InputError, match=r"model\.pte is not one of its files"):
        require_replaceable(folder)


def test_an_archive_that_is_no_bundle_is_not_replaced(archive: Path, tmp_path: Path) -> None:
    require_replaceable(archive)
    photos = tmp_path / "photos.zip"
    with zipfile.ZipFile(photos, "w") as packed:
        packed.writestr("summer.jpg", b"summer")
    text = tmp_path / "text.zip"
    text.write_text("not even an archive")
    for place in (photos, text):
        before = place.read_bytes()
        with pytest.raises(InputError, match=r"is no archive of a bundle .*; choose another place with -o"):
            write(place, manifest, fill)
        assert place.read_bytes() == before
        write(place, manifest, fill, force=True)
        assert Bundle.open(place).manifest.name == "tiny"


def test_even_force_replaces_no_folder_that_one_stands_or_lives_in(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "here" / "below").mkdir(parents=True)
    (tmp_path / "here" / "diary.txt").write_text("dear diary")
    monkeypatch.chdir(tmp_path / "here" / "below")
    for place in (tmp_path / "here", tmp_path, Path("..")):
        with pytest.raises(InputError, match="the folder you are in, which is not replaced even with --force"):
            require_replaceable(place, force=True)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    (tmp_path / "home").mkdir()
    with pytest.raises(InputError, match="your home"):
        require_replaceable(tmp_path / "home", force=True)


def test_a_link_is_replaced_only_by_force_and_what_it_leads_to_never(folder: Path, tmp_path: Path) -> None:
    link = tmp_path / "latest"
    link.symlink_to(folder)
    with pytest.raises(InputError, match="is a link to"):
        write(link, manifest, fill)
    write(link, manifest, fill, force=True)
    assert not link.is_symlink()
    assert Bundle.open(folder).manifest.name == "tiny"


def test_a_place_that_cannot_be_written_is_told_before_anything_is_made(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("text")
    for place, said in (
        (tmp_path / "file" / "out", "is no folder that you may write to"),
        (tmp_path / "file", "is a file; give a folder"),
        (Path("/dev/null"), "is a file; give a folder"),
        (tmp_path / ("x" * 300), "is too long|is no place"),
        (tmp_path / "a\x00b", "is no name for a bundle"),
    ):
        with pytest.raises(InputError, match=said):
            require_replaceable(place)


def test_what_a_killed_build_took_away_is_brought_back_and_its_rest_is_removed(folder: Path) -> None:
    left = folder.parent / ".bundle-edgewright-abcd1234"
    left.mkdir()
    folder.rename(left / "before")
    rest, foreign = folder.parent / ".bundle-edgewright-zzzz1234", folder.parent / ".bundle-edgewright-business"
    (rest / "bundle").mkdir(parents=True)
    foreign.mkdir()
    (foreign / "diary.txt").write_text("a user's")
    os.utime(rest, (0, 0))
    os.utime(foreign, (0, 0))
    with place_for(folder):
        assert Bundle.open(folder).manifest.name == "tiny"
    assert foreign.is_dir()
    assert not rest.exists()
