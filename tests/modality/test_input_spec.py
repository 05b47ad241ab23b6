"""What all specs of inputs have in common: one at a time and several, outputs of each example, and what is kept."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from edgewright.errors import BundleError, InputError
from edgewright.modality.image_spec import ImageInputSpec
from edgewright.modality.input_spec import InputSpec
from edgewright.specs.signature import DType
from edgewright.specs.signature import Tensor as TensorSpec
from tests.modality.test_base import completed


@dataclass(frozen=True, kw_only=True)
class Counts(InputSpec):
    """Some whole numbers."""

    width: int
    most: float = 1.0

    def tensors(self, *, fixed_shapes: bool, index_dtype: DType) -> tuple[TensorSpec, ...]:
        return (TensorSpec(name="counts", dtype="int64", shape=(self.batch, self.width)),)


def counts(**sizes: Any) -> Counts:
    spec: Counts = completed(Counts)(**sizes)
    return spec


def no_file(name: str) -> Path:
    raise AssertionError(name)


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


def test_what_a_manifest_says_are_the_fields_and_they_make_the_spec_again() -> None:
    spec = counts(width=3, most=0.1, batch=8)
    facts = json.loads(json.dumps(spec.facts({})))
    assert facts == {"width": 3, "most": 0.1}
    assert type(spec).from_facts({"max_length": 128, "tags": 0, **facts}) == spec.one


@pytest.mark.parametrize(("facts", "told"), [({}, "the width of the inputs"), ({"width": "3"}, "the width of the in")])
def test_facts_that_are_missing_or_wrong_are_told_by_name(facts: dict[str, object], told: str) -> None:
    with pytest.raises(InputError, match=told):
        type(counts(width=3)).from_facts(facts)


def test_examples_come_back_from_a_bundle_in_their_own_dtype(tmp_path: Path) -> None:
    spec, examples = counts(width=2), np.array([[1, 2**40], [-3, 4]])
    saved = json.loads(json.dumps(spec.save_examples(examples, tmp_path)))["inputs"]
    back = spec.load_examples(saved, no_file, 2)
    assert isinstance(back, np.ndarray)
    assert back.dtype == np.int64
    assert np.array_equal(back, examples)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("saved", [[[1, 2], [3]], [[1, 2, 3]], [["a", "b"]], [1, 2], [[1, 2**70]]])
def test_examples_of_a_bundle_that_are_not_what_its_artifacts_take_are_told(saved: list[Any]) -> None:
    with pytest.raises(BundleError, match="the examples of the bundle are no"):
        counts(width=2).load_examples(saved, no_file, len(saved))


def test_what_cannot_be_given_on_the_command_line_is_refused_in_one_sentence() -> None:
    with pytest.raises(InputError, match="cannot be given on the command line; measure the bundle instead"):
        counts(width=2).reader(no_file)
