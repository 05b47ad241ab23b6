"""Sub-folders are the parts of the data where that is clear, and asked about where it is not."""

from pathlib import Path

import pytest

from edgewright.data.images import fingerprint, load_images, parts_of
from edgewright.errors import BadDataError
from edgewright.specs.recipe import Data, Split
from tests.data.test_images import LABELS, folder, in_parts, picture, save, task


@pytest.mark.parametrize(
    "names", [("train", "val", "test"), ("Train", "Valid", "Test"), ("TRAINING", "validation", "testing")]
)
def test_a_folder_of_parts_is_taken_as_its_parts(tmp_path: Path, names: tuple[str, ...]) -> None:
    data = Data(folder=in_parts(tmp_path / "a", *names))
    images = load_images(data, task())
    assert images.labels == LABELS
    assert [len(part) for part in (images.train, images.validation, images.test)] == [6, 6, 6]
    given = {part: tmp_path / "a" / name for part, name in zip(("train", "validation", "test"), names, strict=True)}
    assert parts_of(data, task()) == given
    apart = load_images(Data(**given), task())
    for part in ("train", "validation", "test"):
        assert (getattr(images, part).pixels == getattr(apart, part).pixels).all()


def test_a_fingerprint_of_a_folder_of_parts_changes_with_the_part_an_image_is_in(tmp_path: Path) -> None:
    data = Data(folder=in_parts(tmp_path / "a", "train", "test"))
    before = fingerprint(data, task())
    (tmp_path / "a" / "train" / "cat" / "0.png").rename(tmp_path / "a" / "test" / "cat" / "00.png")
    assert fingerprint(data, task()) != before


@pytest.mark.parametrize(
    ("names", "said"),
    [
        (("train", "val"), "train and val are named as parts of the data are, but there is none for test"),
        (("val", "test"), "there is none for train"),
        (("train", "bus"), "train is named as a part of the data is, but bus beside it is not"),
        (("train", "test", "unlabelled"), "unlabelled beside them is not"),
        (("train", "val", "valid", "test"), "val and valid would both be its validation part"),
    ],
)
def test_folders_that_are_not_clearly_parts_are_asked_about(tmp_path: Path, names: tuple[str, ...], said: str) -> None:
    with pytest.raises(BadDataError, match=said) as caught:
        load_images(Data(folder=in_parts(tmp_path, *names)), task())
    assert (
        "data.train, data.test and data.validation, or, where these are classes, name all of them in task.labels"
        in (str(caught.value))
    )


def test_images_right_in_a_folder_named_as_a_part_are_asked_about_and_labels_answer(tmp_path: Path) -> None:
    for number in range(20):
        save(tmp_path / ("train", "test")[number % 2] / f"{number}.png", picture(number))
    with pytest.raises(BadDataError, match="holds no folder a label"):
        load_images(Data(folder=tmp_path), task())
    assert load_images(Data(folder=tmp_path), task(labels=("train", "test"))).labels == ("train", "test")


def test_a_folder_of_parts_has_nothing_to_split_and_is_no_part_itself(tmp_path: Path) -> None:
    place = in_parts(tmp_path / "a", "train", "test")
    with pytest.raises(BadDataError, match=r"is in parts already \(train, test\); remove data\.split"):
        load_images(Data(folder=place, split=Split(test=0.5)), task())
    with pytest.raises(BadDataError, match=r"given as data\.train; give it as data\.folder alone"):
        load_images(Data(train=place, test=folder(tmp_path / "b")), task())
