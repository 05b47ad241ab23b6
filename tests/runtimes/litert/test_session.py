"""A .tflite in this process gives the outputs of its signatures by name."""

from pathlib import Path

import pytest

from edgewright.runtimes.litert.session import Session
from tests.runtimes import split

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def session() -> Session:
    return Session(split.file("litert"), split.signature("litert"))


def test_outputs_come_by_their_names_at_every_length(session: Session) -> None:
    for numbers in ([3.0, 1.0], [1.0, 2.0, 3.0, 4.0], [1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0]):
        outputs = session(split.call("litert", numbers, 10.0))
        assert outputs.keys() == {"products", "total"}
        assert outputs["products"].dtype == "float32"
        found = split.cut("litert", outputs, len(numbers))
        assert found == {"products": [10 * each for each in numbers], "total": [sum(numbers)]}


def test_what_a_call_gave_stays_when_the_next_is_made(session: Session) -> None:
    first = session(split.call("litert", [1.0, 2.0], 1.0))
    kept = {name: each.copy() for name, each in first.items()}
    second = session(split.call("litert", [5.0, 6.0], -1.0))
    for name, each in first.items():
        assert each.tolist() == kept[name].tolist(), name
        assert each.tolist() != second[name].tolist(), name


def test_two_sessions_of_one_file_know_nothing_of_each_other() -> None:
    one, other = (Session(split.file("litert"), split.signature("litert")) for _ in range(2))
    first = one(split.call("litert", [1.0, 2.0], 3.0))
    other(split.call("litert", [7.0, 8.0], 9.0))
    assert split.cut("litert", first, 2) == {"products": [3.0, 6.0], "total": [3.0]}


@pytest.mark.parametrize("content", [b"", b"no model" * 100], ids=["empty", "other"])
def test_a_file_that_is_no_model_is_refused(content: bytes, tmp_path: Path) -> None:
    file = tmp_path / split.file("litert").name
    file.write_bytes(content)
    with pytest.raises((RuntimeError, ValueError)):
        Session(file, split.signature("litert"))
