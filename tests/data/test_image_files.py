"""Files of images become pixels of one size, and every file that is none is told with its name."""

import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from edgewright.data.images import load_images
from edgewright.errors import BadDataError
from edgewright.specs.recipe import Data, Split
from tests.data.test_images import LABELS, folder, picture, save, task


def test_what_is_transparent_stands_on_white_and_sixteen_bits_become_eight(tmp_path: Path) -> None:
    from edgewright.data.image_files import ImageFile, decode

    clear = np.dstack([picture(1), np.zeros((6, 5), dtype=np.uint8)])
    deep = (picture(2, channels=1).astype(np.uint16) << 8) + 200
    palette = Image.fromarray(picture(3)).convert("P")
    save(tmp_path / "clear.png", clear)
    Image.fromarray(deep).save(tmp_path / "deep.png")
    palette.save(tmp_path / "palette.png", transparency=0)
    names = ("clear", "deep", "palette")
    decoded = decode([ImageFile(path=tmp_path / f"{name}.png", label="", name=name) for name in names], None)
    assert (decoded.pixels[0] == 255).all()
    assert np.array_equal(decoded.pixels[1, :, :, 0], picture(2, channels=1))


def test_a_photograph_is_turned_as_its_camera_says(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    for label in LABELS:
        for number in range(8):
            save(tmp_path / label / f"{number}.jpg", picture(number + 50 * len(label + label[0] * number)), exif=exif)
    images = load_images(Data(folder=tmp_path, split=Split(test=0.5)), task())
    assert images.train.pixels.shape[1:3] == (5, 6)


def test_every_file_that_is_no_image_is_reported_at_once(tmp_path: Path) -> None:
    folder(tmp_path / "a", 10)
    whole = save(tmp_path / "whole.png", picture(1, height=60, width=60)).read_bytes()
    jpeg = save(tmp_path / "whole.jpg", picture(1, height=60, width=60)).read_bytes()
    (tmp_path / "a" / "cat" / "cut.png").write_bytes(whole[: len(whole) // 2])
    (tmp_path / "a" / "cat" / "cut.jpg").write_bytes(jpeg[: len(jpeg) // 2])
    (tmp_path / "a" / "dog" / "text.png").write_text("no image")
    (tmp_path / "a" / "dog" / "empty.bmp").write_bytes(b"")
    with pytest.raises(BadDataError, match=r"4 of 14 images cannot be used") as caught:
        load_images(Data(folder=tmp_path / "a"), task(image_size=8))
    for name in ("cat/cut.png", "cat/cut.jpg", "dog/text.png", "dog/empty.bmp"):
        assert name in str(caught.value)


@pytest.mark.parametrize("byte", range(0, 200, 7))
def test_any_damage_is_bad_data_or_another_image(tmp_path: Path, byte: int) -> None:
    from edgewright.data.image_files import ImageFile, decode

    told = []
    for suffix in ("png", "jpg", "bmp", "webp"):
        content = bytearray(save(tmp_path / f"a.{suffix}", picture(3, height=20, width=20)).read_bytes())
        content[byte % len(content)] ^= 0xFF
        path = tmp_path / f"b.{suffix}"
        path.write_bytes(content)
        try:
            decode([ImageFile(path=path, label="", name="b")], (4, 4))
        except BadDataError as error:
            told.append(str(error))
    assert all("b: " in said for said in told)


def test_a_decompression_bomb_is_a_clear_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder(tmp_path / "a", 10)
    for limit in (29, 14):  # PIL warns above its limit and raises above twice that; both are refused
        monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", limit)
        with pytest.raises(BadDataError, match=rf"10 of 10 .*more than {limit} pixels, as decompression bombs have"):
            load_images(Data(folder=tmp_path / "a"), task())


def test_what_is_not_in_a_labels_folder_is_reported_and_hidden_files_are_not(tmp_path: Path) -> None:
    folder(tmp_path / "a", 10)
    (tmp_path / "a" / ".hidden").write_text("")
    (tmp_path / "a" / "cat" / ".hidden").write_text("")
    load_images(Data(folder=tmp_path / "a"), task())
    save(tmp_path / "a" / "loose.png", picture(1))
    (tmp_path / "a" / "cow").mkdir()
    (tmp_path / "a" / "dog" / "notes.txt").write_text("")
    with pytest.raises(BadDataError) as caught:
        load_images(Data(folder=tmp_path / "a"), task())
    for said in ("loose.png lies in no label's folder", "the folder cow holds no image", "dog/notes.txt is no image"):
        assert said in str(caught.value)


def test_a_folder_outside_the_configured_labels_is_reported(tmp_path: Path) -> None:
    with pytest.raises(
        BadDataError, match=r"the folder dog is none of the labels; the labels configured in task\.labels"
    ):
        load_images(Data(folder=folder(tmp_path / "a")), task(labels=("cat", "cow")))


@pytest.mark.parametrize("name", [b"caf\xe9", b"cat/caf\xe9.png"])
def test_a_name_that_is_not_utf8_is_reported(tmp_path: Path, name: bytes) -> None:
    place = folder(tmp_path / "a")
    odd = place / os.fsdecode(name)
    try:
        save(odd if odd.suffix else odd / "1.png", picture(99))
    except OSError:
        pytest.skip("this file system takes no such name")
    with pytest.raises(BadDataError, match=r"the name b'caf\\xe9.*' is not UTF-8; rename it"):
        load_images(Data(folder=place), task())


def test_reading_images_tells_how_far_it_is(tmp_path: Path) -> None:
    heard: list[tuple[float, float]] = []
    load_images(
        Data(folder=folder(tmp_path / "a", 200)), task(), on_progress=lambda done, total: heard.append((done, total))
    )
    assert heard == [(0, 200), (64, 200), (128, 200), (192, 200)]
