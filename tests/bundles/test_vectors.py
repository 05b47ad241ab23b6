"""The examples of a bundle: their counts agree, and a faulty document is told with its place."""

from pathlib import Path

import pytest

from edgewright.bundles.bundle import write
from edgewright.errors import BundleError, InvalidFileError
from tests.bundles.made import fill, manifest


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
