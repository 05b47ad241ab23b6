"""Bundles: opened only when every byte is what the manifest says."""

import json
import shutil
from pathlib import Path

import pytest

from edgewright.base.digest import sha256_of
from edgewright.bundles.bundle import Bundle
from edgewright.bundles.files import seal
from edgewright.errors import BundleError, InputError, UnknownNameError
from tests.bundles.made import FILES, change_manifest, resign


def test_a_folder_holds_the_files_and_a_manifest_with_their_hashes(folder: Path) -> None:
    opened = Bundle.open(folder)
    assert sorted(path.name for path in folder.iterdir()) == sorted([*FILES, "manifest.json"])
    assert opened.manifest.files == {name: sha256_of(folder / name) for name in FILES}
    assert opened.file("model.pte").read_bytes() == FILES["model.pte"]
    assert [path.name for path in folder.parent.iterdir()] == ["bundle"]


def test_an_archive_gives_the_same_as_a_folder(archive: Path, folder: Path) -> None:
    packed, plain = Bundle.open(str(archive)), Bundle.open(folder)
    assert archive.is_file()
    assert packed.path == archive
    assert packed.manifest == plain.manifest
    assert packed.file("model.tflite").read_bytes() == FILES["model.tflite"]


def test_the_best_artifact_is_given_unless_another_is_named(folder: Path) -> None:
    bundle = Bundle.open(folder)
    assert bundle.artifact().file == "model.tflite"
    assert bundle.artifact("executorch").file == "model.pte"
    with pytest.raises(UnknownNameError, match="'executorh'; did you mean executorch"):
        bundle.artifact("executorh")


@pytest.mark.parametrize("name", FILES)
def test_one_flipped_bit_in_any_file_is_told_with_its_name(folder: Path, name: str) -> None:
    data = bytearray(FILES[name])
    data[len(data) // 2] ^= 0b100
    (folder / name).write_bytes(data)
    with pytest.raises(BundleError, match=rf"{name} was altered: its sha256 is .*; build it again, or copy it again"):
        Bundle.open(folder)


@pytest.mark.parametrize("name", FILES)
def test_a_missing_file_is_told_with_its_name(folder: Path, name: str) -> None:
    (folder / name).unlink()
    with pytest.raises(BundleError, match=f"lacks {name}"):
        Bundle.open(folder)


def test_a_link_in_place_of_a_file_is_refused(folder: Path, tmp_path: Path) -> None:
    shutil.move(folder / "model.pte", tmp_path / "elsewhere")
    (folder / "model.pte").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(BundleError, match=r"lacks model\.pte"):
        Bundle.open(folder)


def test_every_flipped_bit_in_an_archive_is_an_input_error_or_changes_nothing(archive: Path, tmp_path: Path) -> None:
    whole = archive.read_bytes()
    manifest_before = Bundle.open(archive).manifest
    damaged = tmp_path / "damaged.zip"
    refused: list[str] = []
    places = range(0, len(whole), 11)
    for place in places:
        data = bytearray(whole)
        data[place] ^= 1 << (place % 8)
        damaged.write_bytes(data)
        try:
            opened = Bundle.open(damaged)
        except InputError as error:
            refused.append(str(error))
        else:  # a time stamp or an attribute, which no one reads
            assert opened.manifest == manifest_before
    assert len(refused) > 0.6 * len(places)
    assert not [message for message in refused if "\n" in message]


@pytest.mark.parametrize("name", ["../outside", "/tmp/outside", "a\\b", "a\nb"])
def test_a_manifest_that_names_a_file_outside_is_refused(folder: Path, name: str) -> None:
    (folder.parent / "outside").write_bytes(b"secret")
    digest = sha256_of(folder.parent / "outside")

    def change(values: dict[str, object]) -> None:
        values["files"] = {**values["files"], name: digest}  # type: ignore[dict-item]

    change_manifest(folder, change)
    with pytest.raises(BundleError, match="could lead out of it"):
        Bundle.open(folder)


def test_an_artifact_outside_of_the_bundle_is_refused(folder: Path) -> None:
    def change(values: dict[str, object]) -> None:
        values["artifacts"][0]["file"] = "../outside"  # type: ignore[index]

    change_manifest(folder, change)
    with pytest.raises(BundleError, match=r"no hash for \.\./outside"):
        Bundle.open(folder)


@pytest.mark.parametrize("content", [b"", b"{", b"\xff\xfe", b"[1"])
def test_a_manifest_that_is_not_json_is_refused(folder: Path, content: bytes) -> None:
    (folder / "manifest.json").write_bytes(content)
    with pytest.raises(BundleError, match=r"manifest\.json cannot be read: line 1.* is not (JSON|UTF-8)"):
        Bundle.open(folder)


@pytest.mark.parametrize("content", [b"[]", b"null", b"3", b'"text"'])
def test_a_manifest_that_is_no_json_object_is_refused(folder: Path, content: bytes) -> None:
    (folder / "manifest.json").write_bytes(content)
    with pytest.raises(InputError):
        Bundle.open(folder)


def test_what_is_not_there_and_what_is_no_bundle_is_told(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    for place in (tmp_path / "empty", tmp_path / "nowhere"):
        with pytest.raises(
            BundleError, match=r"is no bundle: it has no manifest\.json; make one with `edgewright build`"
        ):
            Bundle.open(place)
    (tmp_path / "file.txt").write_text("text")
    with pytest.raises(BundleError, match="is no whole"):
        Bundle.open(tmp_path / "file.txt")


def test_every_flipped_bit_of_the_manifest_is_refused(folder: Path) -> None:
    path = folder / "manifest.json"
    whole = path.read_bytes()
    for place in range(len(whole)):
        data = bytearray(whole)
        data[place] ^= 1 << (place % 8)
        path.write_bytes(data)
        with pytest.raises(InputError):
            Bundle.open(folder)
    path.write_bytes(whole)
    Bundle.open(folder)


def test_a_manifest_in_another_writing_or_without_its_hash_is_refused(folder: Path) -> None:
    path = folder / "manifest.json"
    values = json.loads(path.read_text())
    path.write_text(json.dumps(values))
    with pytest.raises(BundleError, match=r"manifest\.json was altered: it is not what its sha256 was taken of"):
        Bundle.open(folder)
    del values["sha256"]
    path.write_text(json.dumps(values, indent=2))
    with pytest.raises(BundleError, match="has no sha256 of itself"):
        Bundle.open(folder)


@pytest.mark.parametrize("version", [1, 2])
def test_a_bundle_of_an_older_version_is_refused_with_what_to_do(folder: Path, version: int) -> None:
    values = json.loads((folder / "manifest.json").read_text())
    del values["sha256"]
    values["schema_version"] = version
    (folder / "manifest.json").write_text(seal(values) if version > 1 else json.dumps(values))
    with pytest.raises(BundleError, match=r"was made by an older version of Edgewright, .*; build it again with this"):
        Bundle.open(folder)


def test_an_artifact_whose_sha256_or_size_is_another_than_its_files_is_refused(folder: Path) -> None:
    for key, said in (("sha256", r"has two sha256 for model\.pte"), ("bytes", r"model\.pte has 2048 bytes, not ")):
        values = json.loads((folder / "manifest.json").read_text())
        before = values["artifacts"][0][key]

        def change(values: dict[str, object], value: object, key: str = key) -> None:
            values["artifacts"][0][key] = value  # type: ignore[index]

        wrong = "0" * 64 if key == "sha256" else 7
        change_manifest(folder, lambda values, wrong=wrong, change=change: change(values, wrong))  # type: ignore[misc]
        with pytest.raises(BundleError, match=said):
            Bundle.open(folder)
        change_manifest(folder, lambda values, before=before, change=change: change(values, before))  # type: ignore[misc]


def test_no_file_is_read_that_the_manifest_does_not_list(folder: Path) -> None:
    (folder / "corpus.json").write_text("{}")
    with pytest.raises(BundleError, match=r"has no hash for corpus\.json"):
        Bundle.open(folder).file("corpus.json")
    change_manifest(folder, lambda values: values["task"].update(kind="embedding", labels=[]))  # type: ignore[attr-defined]
    with pytest.raises(BundleError, match=r"has no hash for corpus\.json, index\.safetensors"):
        Bundle.open(folder)


def test_a_file_behind_a_linked_folder_is_refused(folder: Path, tmp_path: Path) -> None:
    resign(folder, "more/notes.txt", b"notes")
    Bundle.open(folder)
    shutil.move(folder / "more", tmp_path / "elsewhere")
    (folder / "more").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(BundleError, match=r"lacks more/notes\.txt"):
        Bundle.open(folder)


def test_a_linked_manifest_is_refused(folder: Path, tmp_path: Path) -> None:
    shutil.move(folder / "manifest.json", tmp_path / "elsewhere.json")
    (folder / "manifest.json").symlink_to(tmp_path / "elsewhere.json")
    with pytest.raises(BundleError, match=r"it has no manifest\.json"):
        Bundle.open(folder)
