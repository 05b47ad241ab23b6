"""Bundles: written whole or not at all, and opened only when every byte is what the manifest says."""

import json
import os
import shutil
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from edgewright.bundles import files as bundle_files
from edgewright.bundles.bundle import Bundle, Manifest, write
from edgewright.bundles.files import check_member, place_for, require_replaceable, seal, sha256_of
from edgewright.errors import BundleError, InputError, InvalidFileError, UnknownNameError
from edgewright.specs.budget import Budget

FILES = {
    "model.pte": bytes(range(256)) * 8,
    "model.tflite": b"a model of LiteRT" * 40,
    "tokenizer.json": b'{"model": {}}',
    "vectors.json": b'{"inputs": [[2, 3]], "outputs": [[1.0]]}',
}


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EDGEWRIGHT_CACHE_DIR", str(tmp_path / "cache"))


def artifact(runtime: str, file: str, sha256: str) -> dict[str, object]:
    return {
        "runtime": runtime,
        "runtime_version": "1.0",
        "file": file,
        "bytes": len(FILES[file]),
        "sha256": sha256,
        "lengths": [],
        "score": 0.5,
        "parity": {"passed": True, "cosine_min": 0.99, "max_abs_error": 0.1, "cosine_limit": 0.98},
        "latency_ms": 1.0,
        "float_latency_ms": 2.0,
        "teacher_latency_ms": 8.0,
        "speedup": 8.0,
        "peak_rss_bytes": 1000,
    }


def manifest(hashes: dict[str, str]) -> Manifest:
    model = {"score": 0.5, "parameters": 10, "bytes": 40, "latency_ms": 1.0}
    values = {
        "name": "tiny",
        "edgewright": "0.1.0",
        "created": "2026-11-23T10:00:00+00:00",
        "profile": "raspberry-pi-4",
        "recipe": {"recipe": {"name": "tiny"}},
        "task": {"kind": "classification", "metric": "accuracy", "max_length": 32, "labels": ["a", "b"]},
        "teacher": model,
        "student": model,
        "baseline": {"name": "TF-IDF", "score": 0.4},
        "artifacts": [
            artifact("executorch", "model.pte", hashes["model.pte"]),
            artifact("litert", "model.tflite", hashes["model.tflite"]),
        ],
        "best": "litert",
        "stages": [{"name": "texts", "seconds": 0.1, "made_in_seconds": 0.1, "cached": False}],
        "budget": Budget(artifact_mb=1.0).model_dump(),
        "verdict": {"met": True, "missed": [], "undecided": []},
        "packages": {"torch": "2"},
        "machine": {"processor": "x86_64"},
        "files": hashes,
    }
    return Manifest.model_validate_json(json.dumps(values))


def fill(folder: Path) -> None:
    for name, content in FILES.items():
        (folder / name).write_bytes(content)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write(tmp_path / "out" / "bundle", manifest, fill).path


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    return write(tmp_path / "out" / "bundle.zip", manifest, fill).path


def change_manifest(folder: Path, change: Callable[[dict[str, object]], object]) -> None:
    path = folder / "manifest.json"
    values = json.loads(path.read_text())
    del values["sha256"]
    change(values)
    path.write_text(seal(values))


def test_a_folder_holds_the_files_and_a_manifest_with_their_hashes(folder: Path) -> None:
    opened = Bundle.open(folder)
    assert sorted(path.name for path in folder.iterdir()) == sorted([*FILES, "manifest.json"])
    assert opened.manifest.files == {name: sha256_of(folder / name) for name in FILES}
    assert opened.file("model.pte").read_bytes() == FILES["model.pte"]
    assert [path.name for path in folder.parent.iterdir()] == ["bundle"]


def test_a_structure_that_an_earlier_version_told_is_none_and_the_bundle_is_whole(folder: Path) -> None:
    sizes = {"live": [], "table_weights": 0, "table_rows": 0, "matrix_weights": 64, "other_weights": 0}
    now = {"kind": "linear", "sizes": [[[0, 1]], [[8, 0]], [[8, 0]]], "count": 1}
    for operator, kept in ((now, True), ({"kind": "move", "sizes": [[[0, 1]]]}, False), ({**now, "sizes": []}, False)):

        def tell(values: dict[str, object], operator: object = operator) -> None:
            values["artifacts"][0]["structure"] = {**sizes, "operators": [operator]}  # type: ignore[index]

        change_manifest(folder, tell)
        assert (Bundle.open(folder).manifest.artifacts[0].structure is not None) == kept


def test_an_archive_gives_the_same_as_a_folder(archive: Path, folder: Path) -> None:
    packed, plain = Bundle.open(str(archive)), Bundle.open(folder)
    assert archive.is_file()
    assert packed.path == archive
    assert packed.manifest == plain.manifest
    assert packed.file("model.tflite").read_bytes() == FILES["model.tflite"]


def test_the_same_files_make_the_same_archive(archive: Path, tmp_path: Path) -> None:
    assert write(tmp_path / "again.zip", manifest, fill).path.read_bytes() == archive.read_bytes()


def test_an_archive_is_unpacked_once(archive: Path) -> None:
    first = Bundle.open(archive)
    (first.folder / "seen").touch()
    assert (Bundle.open(archive).folder / "seen").exists()


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


def test_an_unknown_key_in_the_manifest_is_told_with_its_place(folder: Path) -> None:
    change_manifest(folder, lambda values: values.update(colour="red"))
    with pytest.raises(InvalidFileError, match=r"manifest\.json has 1 fault: colour: is not a known key"):
        Bundle.open(folder)


def test_all_faults_of_a_manifest_are_told_at_once(folder: Path) -> None:
    def change(values: dict[str, object]) -> None:
        values["schema_version"] = 3
        values["artifacts"] = []
        values["files"] = {"model.pte": "abc"}
        del values["task"]

    change_manifest(folder, change)
    with pytest.raises(InvalidFileError, match="4 faults") as caught:
        Bundle.open(folder)
    assert {place for place, _ in caught.value.faults} == {"schema_version", "artifacts", "files.model.pte", "task"}


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


@pytest.mark.parametrize(
    ("document", "error", "said"),
    [
        ("not read", BundleError, r"vectors\.json cannot be read: line 1, column 1 is not JSON"),
        ("[]", InvalidFileError, "vectors.json"),
        ('{"inputs": [[2, -3]], "outputs": [[1.0]]}', InvalidFileError, r"inputs"),
        ('{"inputs": [[2]], "outputs": [["a"]]}', InvalidFileError, r"outputs"),
        ('{"inputs": [[2]], "outputs": [[NaN]]}', BundleError, r"line 1 has NaN"),
        ('{"inputs": [[2]]}', InvalidFileError, r"outputs"),
        ('{"inputs": [[2], [3]], "outputs": [[1.0]]}', BundleError, "1 outputs for 2 inputs"),
    ],
)
def test_examples_that_do_not_fit_are_told_with_their_place(
    tmp_path: Path, document: str, error: type[Exception], said: str
) -> None:
    def with_examples(folder: Path) -> None:
        fill(folder)
        (folder / "vectors.json").write_text(document)

    made = write(tmp_path / "bundle", manifest, with_examples)
    with pytest.raises(error, match=said):
        made.vectors()


def resign(folder: Path, name: str, content: bytes, *, listed: bool = True) -> None:
    """Let a file and its place in the manifest say something else, as a forger would."""
    (folder / name).parent.mkdir(parents=True, exist_ok=True)
    (folder / name).write_bytes(content)
    if listed:
        change_manifest(folder, lambda values: values["files"].update({name: sha256_of(folder / name)}))  # type: ignore[attr-defined]


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


def test_a_bundle_of_an_earlier_version_is_read_with_a_warning(folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    values = json.loads((folder / "manifest.json").read_text())
    del values["sha256"]
    values["schema_version"] = 1
    (folder / "manifest.json").write_text(json.dumps(values))
    assert Bundle.open(folder).manifest.name == "tiny"
    assert "was written by an earlier version, so that a change in it cannot be seen" in caplog.text


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


@pytest.mark.parametrize("number", ["NaN", "Infinity", "1e999"])
def test_a_number_that_is_not_finite_is_refused(folder: Path, number: str) -> None:
    path = folder / "manifest.json"
    path.write_text(path.read_text().replace('"score": 0.5', f'"score": {number}', 1))
    with pytest.raises(BundleError, match=r"only finite ones are read|larger than any that can be used"):
        Bundle.open(folder)


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
