"""Texts as an artifact takes them: ids at any length or padded to a bucket, alone or several at once."""

import re

import numpy as np
import pytest
import torch

from edgewright.errors import InputError
from edgewright.modality.text_spec import TextInputSpec
from tests import tiny

SPEC = TextInputSpec(max_length=32, lengths=(8, 32), batch=2)


def test_a_runtime_of_fixed_shapes_gets_buckets_and_another_a_free_axis() -> None:
    ((batch, free),) = (each.shape for each in SPEC.tensors(fixed_shapes=False, index_dtype="int64"))
    ((_, fixed),) = (each.shape for each in SPEC.tensors(fixed_shapes=True, index_dtype="int32"))
    assert batch == 2
    assert (free.least, free.most, free.buckets) == (2, 32, ())  # type: ignore[union-attr]
    assert fixed.buckets == (8, 32)  # type: ignore[union-attr]


def test_texts_of_one_call_are_padded_to_the_longest_of_them() -> None:
    ids = SPEC.arrays([[1, 2, 3], [4, 5]], "int32")["ids"]
    assert ids.tolist() == [[1, 2, 3], [4, 5, 0]]
    assert ids.dtype == np.int32


def test_outputs_of_tags_leave_out_those_of_padding_and_come_apart_again() -> None:
    spec, texts = TextInputSpec(max_length=8, tags=2), [[1, 2], [3]]
    joined = spec.joined([torch.arange(4.0), torch.arange(4.0) + 10], texts)
    assert joined.tolist() == [[0, 1], [2, 3], [10, 11]]
    assert [each.tolist() for each in spec.apart(joined, texts)] == [[0, 1, 2, 3], [10, 11]]


def test_examples_that_the_model_cannot_take_are_refused_with_the_first_of_them() -> None:
    model = tiny.teacher().model
    pieces = model.encoder.shape.vocabulary
    fine = [1, 2, pieces - 1]
    assert SPEC.checked(model, [fine, fine]) == [fine, fine]
    assert SPEC.checked(model, ()) == ()
    for wrong, sentence in (
        ([1, pieces], f"example 1 has token {pieces}, but the model's vocabulary has {pieces} pieces"),
        ([1, -1], "example 1 has token -1"),
        ([], "example 1 has 0 tokens"),
        ([1] * (SPEC.max_length + 1), f"takes 1 to {SPEC.max_length}"),
    ):
        with pytest.raises(InputError, match=re.escape(sentence)):
            SPEC.checked(model, [fine, wrong])
