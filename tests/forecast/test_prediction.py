"""What is predicted of: an artifact that takes any length, or some fixed ones."""

from edgewright.forecast.prediction import Subject
from edgewright.specs.structure import Structure

NOTHING = Structure(operators=(), live=(), table_weights=0, table_rows=0, matrix_weights=0, other_weights=0)


def subject(*lengths: int) -> Subject:
    return Subject(runtime="litert", structure=NOTHING, lengths=lengths, file_bytes=None, planned_length=None)


def test_a_text_is_run_in_the_smallest_shape_that_holds_it_and_each_shape_counts_once() -> None:
    fixed = subject(16, 32, 64)
    assert [fixed.run_length(length) for length in (3, 16, 17, 64)] == [16, 16, 32, 64]
    assert fixed.shapes((3, 9, 16)) == 1
    assert fixed.shapes((3, 20, 60, 64)) == 3


def test_a_runtime_that_takes_any_length_has_one_shape() -> None:
    assert subject().run_length(11) == 11
    assert subject().shapes((3, 20, 60)) == 1
