"""The examples of a bundle: their counts agree, and a faulty document is told with its place."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edgewright.bundles.bundle import write
from edgewright.bundles.vectors import Vector, Vectors, write_calls
from edgewright.errors import BundleError, InvalidFileError
from tests.bundles.made import fill, manifest


def calls(**changes: Any) -> str:
    """A document of one call, with `changes`."""
    call = {"method": "forward", "inputs": {"ids": [[2, 3]]}, "outputs": {"output": [[1.0, 2.0]]}}
    return json.dumps({"calls": [{**call, **changes}]})


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
        ('{"inputs": [[2, 3000000000]], "outputs": [[1.0]]}', InvalidFileError, "inputs"),
        ('{"calls": [{"method": "forward", "inputs": {}}]}', InvalidFileError, "outputs"),
        (calls(method="encode"), BundleError, "there is no method 'encode'"),
        (calls(inputs={}), BundleError, "differ in 'ids'"),
        (calls(outputs={"output": [[1.0, 2.0]], "more": [1.0]}), BundleError, "differ in 'more'"),
        (calls(inputs={"ids": [[1.5, 2.5]]}), BundleError, r"'ids' of the method forward is no int64 \(1, length\)"),
        (calls(inputs={"ids": [[2, 3], [4]]}), BundleError, r"'ids' of the method forward is no int64 \(1, length\)"),
        (calls(inputs={"ids": [2, 3]}), BundleError, "'ids' of the method forward takes int64"),
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


def test_an_examples_tensors_have_the_names_and_dtypes_of_the_artifacts_signature(tmp_path: Path) -> None:
    (call,) = write(tmp_path / "bundle", manifest, fill).vectors().calls
    assert (call.method, call.inputs["ids"].dtype, call.inputs["ids"].tolist()) == ("forward", np.int64, [[2, 3]])
    assert {name: each.tolist() for name, each in call.outputs.items()} == {"output": [[1.0]]}


def test_calls_with_all_their_tensors_are_read_back_as_they_were_written(tmp_path: Path) -> None:
    given = Vector(
        method="forward",
        inputs={"ids": np.array([[4, 5, 6]])},
        outputs={"output": np.array([[0.5, -1.0]], dtype=np.float32)},
    )

    def with_calls(folder: Path) -> None:
        fill(folder)
        write_calls(folder, Vectors(calls=(given, given)))

    first, second = write(tmp_path / "bundle", manifest, with_calls).vectors().of_method("forward")
    for read in (first, second):
        assert read.inputs["ids"].tolist() == [[4, 5, 6]]
        assert (read.outputs["output"].dtype, read.outputs["output"].tolist()) == (np.float32, [[0.5, -1.0]])
