"""Manifests: every fault is told, and what an earlier version told otherwise is left out."""

from pathlib import Path

import pytest

from edgewright.bundles.bundle import Bundle
from edgewright.errors import BundleError, InvalidFileError
from edgewright.modality.framing import Framing
from edgewright.modality.image_spec import ImageInputSpec
from edgewright.modality.text_spec import TextInputSpec
from tests.bundles.made import change_manifest


def test_a_structure_that_an_earlier_version_told_is_none_and_the_bundle_is_whole(folder: Path) -> None:
    sizes = {"live": [], "table_weights": 0, "table_rows": 0, "matrix_weights": 64, "other_weights": 0}
    now = {"kind": "linear", "sizes": [[[0, 1]], [[8, 0]], [[8, 0]]], "count": 1}
    for operator, kept in ((now, True), ({"kind": "move", "sizes": [[[0, 1]]]}, False), ({**now, "sizes": []}, False)):

        def tell(values: dict[str, object], operator: object = operator) -> None:
            values["artifacts"][0]["structure"] = {**sizes, "operators": [operator]}  # type: ignore[index]

        change_manifest(folder, tell)
        assert (Bundle.open(folder).manifest.artifacts[0].structure is not None) == kept


def test_an_unknown_key_in_the_manifest_is_told_with_its_place(folder: Path) -> None:
    change_manifest(folder, lambda values: values.update(colour="red"))
    with pytest.raises(InvalidFileError, match=r"manifest\.json has 1 fault: colour: is not a known key"):
        Bundle.open(folder)


def test_all_faults_of_a_manifest_are_told_at_once(folder: Path) -> None:
    def change(values: dict[str, object]) -> None:
        values["schema_version"] = 5
        values["artifacts"] = []
        values["files"] = {"model.pte": "abc"}
        del values["task"]

    change_manifest(folder, change)
    with pytest.raises(InvalidFileError, match="4 faults") as caught:
        Bundle.open(folder)
    assert {place for place, _ in caught.value.faults} == {"schema_version", "artifacts", "files.model.pte", "task"}


def test_a_manifest_that_said_of_images_what_it_now_says_of_inputs_is_opened(folder: Path) -> None:
    image = {"height": 8, "width": 6, "channels": 3, "framing": {"resize": [9, 7], "crop": [8, 6]}}

    def earlier(values: dict[str, object], image: object = image) -> None:
        values["schema_version"] = 3
        task = {"kind": "image-classification", "metric": "accuracy", "max_length": 0, "labels": ["a", "b"]}
        values["task"] = {**task, "image": image, "inputs": {}}
        values["files"]["images.bin"] = values["files"]["model.pte"]  # type: ignore[index]

    (folder / "images.bin").write_bytes((folder / "model.pte").read_bytes())
    change_manifest(folder, earlier)
    task = Bundle.open(folder).manifest.task
    assert task.inputs == image
    framing = Framing(resize=(9, 7), crop=(8, 6))
    assert task.input_spec == ImageInputSpec(height=8, width=6, channels=3, framing=framing)
    for wrong in ({**image, "height": 0}, {**image, "channels": 2}, {"height": 8, "width": 6}):
        change_manifest(folder, lambda values, wrong=wrong: earlier(values, wrong))  # type: ignore[misc]
        with pytest.raises(
            InvalidFileError, match=r"task: cannot be read by the modality image: the (height|channels)"
        ):
            Bundle.open(folder)


def test_texts_of_an_earlier_manifest_are_read_as_they_were(folder: Path) -> None:
    change_manifest(folder, lambda values: (values.update(schema_version=3), values["task"].update(image=None)))  # type: ignore[attr-defined]
    assert Bundle.open(folder).manifest.task.input_spec == TextInputSpec(max_length=32)


@pytest.mark.parametrize("number", ["NaN", "Infinity", "1e999"])
def test_a_number_that_is_not_finite_is_refused(folder: Path, number: str) -> None:
    path = folder / "manifest.json"
    path.write_text(path.read_text().replace('"score": 0.5', f'"score": {number}', 1))
    with pytest.raises(BundleError, match=r"only finite ones are read|larger than any that can be used"):
        Bundle.open(folder)
