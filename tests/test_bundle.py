"""Bundles: written whole or not at all, and opened only when every byte is what the manifest says."""

import json
import shutil
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from toolchain import bundle as bundles
from toolchain.budget import Budget
from toolchain.bundle import Bundle, Manifest, check_member, sha256_of, write
from toolchain.errors import BundleError, InputError, InvalidFileError, UnknownNameError

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
        "bytes": 10,
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
    change(values)
    path.write_text(json.dumps(values))


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
    monkeypatch.setattr(bundles, "LARGEST_ARCHIVE_BYTES", 1000)
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
        values["schema_version"] = 2
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
    with pytest.raises(BundleError, match="is not JSON"):
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
        (folder / "model.pte").write_bytes(b"new")

    assert write(place, manifest, fill_anew).file("model.pte").read_bytes() == b"new"
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
        ("not read", BundleError, r"vectors\.json is not JSON"),
        ("[]", InvalidFileError, "vectors.json"),
        ('{"inputs": [[2, -3]], "outputs": [[1.0]]}', InvalidFileError, r"inputs"),
        ('{"inputs": [[2]], "outputs": [["a"]]}', InvalidFileError, r"outputs"),
        ('{"inputs": [[2]], "outputs": [[NaN]]}', InvalidFileError, r"outputs"),
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
