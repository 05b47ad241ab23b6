"""Manifests: every fault is told, and what an earlier version told otherwise is left out."""

from pathlib import Path

import pytest

from edgewright.bundles.bundle import Bundle
from edgewright.errors import BundleError, InvalidFileError
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
        values["schema_version"] = 4
        values["artifacts"] = []
        values["files"] = {"model.pte": "abc"}
        del values["task"]

    change_manifest(folder, change)
    with pytest.raises(InvalidFileError, match="4 faults") as caught:
        Bundle.open(folder)
    assert {place for place, _ in caught.value.faults} == {"schema_version", "artifacts", "files.model.pte", "task"}


@pytest.mark.parametrize("number", ["NaN", "Infinity", "1e999"])
def test_a_number_that_is_not_finite_is_refused(folder: Path, number: str) -> None:
    path = folder / "manifest.json"
    path.write_text(path.read_text().replace('"score": 0.5', f'"score": {number}', 1))
    with pytest.raises(BundleError, match=r"only finite ones are read|larger than any that can be used"):
        Bundle.open(folder)
