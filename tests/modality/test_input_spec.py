"""What all specs of inputs have in common: one at a time and several, and outputs of each example."""

import torch

from edgewright.modality.image_spec import ImageInputSpec

SPEC = ImageInputSpec(height=2, width=2, channels=1, batch=3)


def test_a_spec_of_a_batch_is_asked_one_at_a_time_too() -> None:
    assert [each.batch for each in SPEC.calls()] == [1, 3]
    assert SPEC.one.calls() == (SPEC.one,)


def test_a_structure_is_recorded_from_one_example() -> None:
    assert [each.shape for each in SPEC.traced()] == [(1, 2, 2, 1)]


def test_outputs_are_joined_a_row_an_example_and_come_apart_again() -> None:
    rows = [torch.tensor([1.0, 2.0]), torch.tensor([3.0, 4.0])]
    joined = SPEC.joined(rows, [])
    assert joined.tolist() == [[1, 2], [3, 4]]
    assert [each.tolist() for each in SPEC.apart(joined, [])] == [[1, 2], [3, 4]]
