"""Images: what is read from folders, tables and the built-in set, and how each fault is told."""

import csv
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from edgewright.data.images import Images, fingerprint, load_images
from edgewright.errors import BadDataError
from edgewright.specs.recipe import Columns, Data, TaskSettings

LABELS = ("cat", "dog")


def task(**settings: Any) -> TaskSettings:
    return TaskSettings(kind="image-classification", **settings)


def picture(seed: int, height: int = 6, width: int = 5, channels: int = 3) -> NDArray[np.uint8]:
    shape = (height, width, channels) if channels > 1 else (height, width)
    return np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)


def save(path: Path, pixels: NDArray[np.uint8], **options: Any) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path, **options)
    return path


def folder(place: Path, count: int = 20, **shape: int) -> Path:
    for number in range(count):
        save(place / LABELS[number % 2] / f"{number:02}.png", picture(number, **shape))
    return place


def test_a_folder_of_labels_is_split_by_the_images_and_not_by_their_names(tmp_path: Path) -> None:
    images = load_images(Data(folder=folder(tmp_path / "a", 40)), task())
    assert images.labels == LABELS
    assert images.train.pixels.shape[1:] == (6, 5, 3)
    assert len(images.train) + len(images.validation) + len(images.test) == 40
    for number in range(40):
        save(tmp_path / "b" / LABELS[number % 2] / f"{40 - number:02}.bmp", picture(number))
    renamed = load_images(Data(folder=tmp_path / "b"), task())
    for part in ("train", "validation", "test"):
        first, second = getattr(images, part), getattr(renamed, part)
        assert {pixels.tobytes() for pixels in first.pixels} == {pixels.tobytes() for pixels in second.pixels}


@pytest.mark.parametrize("kind", ["csv", "jsonl"])
def test_a_table_names_images_beside_it(tmp_path: Path, kind: str) -> None:
    rows = [{"image": f"some/{number}.png", "kind": LABELS[number % 2]} for number in range(20)]
    for number, row in enumerate(rows):
        save(tmp_path / row["image"], picture(number))
    path = tmp_path / f"rows.{kind}"
    with path.open("w", newline="", encoding="utf-8") as file:
        if kind == "csv":
            writer = csv.DictWriter(file, ["image", "kind"])
            writer.writeheader()
            writer.writerows(rows)
        else:
            file.write("\n".join(json.dumps(row) for row in rows))
    images = load_images(Data(file=path, columns=Columns(label="kind")), task())
    found = {name: label for part in (images.train, images.validation, images.test)
             for name, label in zip(part.names, part.labels, strict=True)}  # fmt: skip
    assert found == {row["image"]: row["kind"] for row in rows}


def test_folders_for_each_part_and_images_without_labels_are_taken_as_they_are(tmp_path: Path) -> None:
    for number in range(4):
        save(tmp_path / "train" / LABELS[number % 2] / f"{number}.png", picture(number))
        save(tmp_path / "test" / LABELS[number % 2] / f"{number}.png", picture(10 + number))
    save(tmp_path / "more" / "deep" / "new.PNG", picture(20))
    save(tmp_path / "more" / "twice.png", picture(20))
    save(tmp_path / "more" / "held out.png", picture(10))
    data = Data(train=tmp_path / "train", test=tmp_path / "test", extra_images=tmp_path / "more")
    images = load_images(data, task())
    assert (len(images.train), len(images.validation), len(images.test)) == (4, 0, 4)
    assert (images.extra.names, images.extra.labels) == (("deep/new.PNG",), ("",))
    assert len(images.training_pixels) == 5


def test_images_come_back_from_disk_as_they_were(tmp_path: Path) -> None:
    images = load_images(Data(folder=folder(tmp_path / "a")), task(labels=("dog", "cat", "cow")))
    images.save(tmp_path / "images.safetensors")
    back = Images.load(tmp_path / "images.safetensors")
    assert back.labels == ("dog", "cat", "cow")
    for name in ("train", "validation", "test", "extra"):
        first, second = getattr(images, name), getattr(back, name)
        assert np.array_equal(first.pixels, second.pixels)
        assert (first.labels, first.names) == (second.labels, second.names)


def test_the_digits_are_split_the_same_at_every_reading_and_share_no_image() -> None:
    images, again = (load_images(Data(builtin="digits"), task()) for _ in range(2))
    parts = (images.train, images.validation, images.test)
    assert sum(map(len, parts)) == 1797
    assert images.test.pixels.shape[1:] == (8, 8, 1)
    assert images.train.pixels.max() == 255
    assert images.labels == tuple("0123456789")
    assert images.test.names == again.test.names
    seen = [{pixels.tobytes() for pixels in part.pixels} for part in parts]
    assert not seen[0] & seen[2] and not seen[0] & seen[1] and not seen[1] & seen[2]  # noqa: PT018


def test_a_size_changes_the_pixels_and_not_the_split() -> None:
    small, large = (load_images(Data(builtin="digits"), task(image_size=size)) for size in (None, (32, 24)))
    assert large.train.pixels.shape[1:] == (32, 24, 1)
    assert small.test.names == large.test.names


def test_images_of_mixed_sizes_are_reported_with_the_sizes_and_the_setting(tmp_path: Path) -> None:
    folder(tmp_path / "a", 10)
    save(tmp_path / "a" / "cat" / "x.png", picture(90, height=9))
    with pytest.raises(BadDataError, match=r"2 sizes, height × width: 6 × 5 \(10\), 9 × 5 \(1\); set task\.image_size"):
        load_images(Data(folder=tmp_path / "a"), task())
    assert load_images(Data(folder=tmp_path / "a"), task(image_size=12)).train.pixels.shape[1:3] == (12, 12)


def test_grey_images_have_one_channel_until_one_is_coloured(tmp_path: Path) -> None:
    folder(tmp_path / "a", 20, channels=1)
    assert load_images(Data(folder=tmp_path / "a"), task()).train.pixels.shape[-1] == 1
    save(tmp_path / "a" / "cat" / "x.png", picture(90))
    images = load_images(Data(folder=tmp_path / "a"), task())
    assert images.train.pixels.shape[-1] == 3
    (grey,) = (images.train.pixels[place] for place, name in enumerate(images.train.names) if name == "dog/01.png")
    assert np.array_equal(grey, np.repeat(picture(1, channels=1)[:, :, None], 3, axis=2))


def test_an_image_in_both_train_and_test_is_reported_with_its_copy(tmp_path: Path) -> None:
    folder(tmp_path / "train", 6)
    save(tmp_path / "test" / "cat" / "again.png", picture(2))
    with pytest.raises(BadDataError, match=r"1 images stand in both .* cat/again\.png \(in train: cat/02\.png\)"):
        load_images(Data(train=tmp_path / "train", test=tmp_path / "test"), task())


def test_a_folder_and_a_file_that_are_not_there_are_bad_data(tmp_path: Path) -> None:
    with pytest.raises(BadDataError, match="cannot be read: No such file"):
        load_images(Data(folder=tmp_path / "none"), task())
    (tmp_path / "rows.csv").write_text("image,label\nnone.png,cat\n")
    with pytest.raises(BadDataError, match=r"1 of 1 images cannot be used: none\.png: cannot be read: No such file"):
        load_images(Data(file=tmp_path / "rows.csv"), task())


def test_an_empty_part_and_a_single_label_are_reported(tmp_path: Path) -> None:
    save(tmp_path / "a" / "cat" / "1.png", picture(1))
    with pytest.raises(BadDataError, match=r"split is empty|only the label cat"):
        load_images(Data(folder=tmp_path / "a"), task())


def test_a_fingerprint_changes_with_a_pixel_a_label_and_the_size(tmp_path: Path) -> None:
    data = Data(folder=folder(tmp_path / "a"))
    before = fingerprint(data, task())
    assert before == fingerprint(Data(folder=folder(tmp_path / "b")), task())
    prints = {before, fingerprint(data, task(image_size=8)), fingerprint(data, task(labels=("dog", "cat")))}
    (tmp_path / "a" / "cat" / "00.png").rename(tmp_path / "a" / "dog" / "00.png")
    prints.add(fingerprint(data, task()))
    save(tmp_path / "a" / "dog" / "00.png", picture(77))
    prints |= {fingerprint(data, task()), fingerprint(Data(builtin="digits"), task())}
    assert len(prints) == 6


def in_parts(place: Path, *names: str) -> Path:
    """A folder for each part, with a folder a label; no image stands in two of them."""
    for part, name in enumerate(names):
        for number in range(6):
            save(place / name / LABELS[number % 2] / f"{number}.png", picture(100 * part + number))
    return place


def test_a_table_of_images_may_have_a_suffix_in_capitals_and_another_separator(tmp_path: Path) -> None:
    folder(tmp_path, 20)
    rows = [f"{LABELS[number % 2]}/{number:02}.png;{LABELS[number % 2]}" for number in range(20)]
    (tmp_path / "ROWS.CSV").write_text("\n".join(["image;label", *rows]))
    images = load_images(Data(file=tmp_path / "ROWS.CSV", separator=";"), task())
    assert len(images.train) + len(images.validation) + len(images.test) == 20
