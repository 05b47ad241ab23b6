"""Examples become calls by their signature alone, and outputs come apart again by example."""

import re

import numpy as np
import pytest

from edgewright.errors import InputError
from edgewright.specs.batching import calls_of, named, outputs_of_each
from edgewright.specs.signature import Axis, Method, Tensor

LENGTH = Axis(name="length", most=8)
TEXTS = [[1, 2, 3], [4], [5, 6]]


def method(*, batch: int = 1, axis: Axis = LENGTH, dtype: str = "int64") -> Method:
    ids = Tensor(name="ids", dtype=dtype, shape=(batch, axis), padding=9)  # type: ignore[arg-type]
    rows = Tensor(name="rows", dtype="float32", shape=(batch, axis, 2))
    mean = Tensor(name="mean", dtype="float32", shape=(batch, 3))
    return Method(name="forward" if batch == 1 else "batch", inputs=(ids,), outputs=(rows, mean))


def test_examples_are_put_together_padded_and_the_last_call_is_filled_up() -> None:
    asked = method(batch=2)
    calls = calls_of(asked, named(asked, TEXTS))
    assert [call.inputs["ids"].tolist() for call in calls] == [[[1, 2, 3], [4, 9, 9]], [[5, 6], [5, 6]]]
    assert [(call.entry, call.elements) for call in calls] == [("batch", 6), ("batch", 4)]
    alone = calls_of(method(), named(method(), TEXTS))
    assert [call.inputs["ids"].tolist() for call in alone] == [[[1, 2, 3]], [[4]], [[5, 6]]]


def test_images_lie_behind_each_other() -> None:
    tensor = Tensor(name="pixels", dtype="uint8", shape=(2, 6, 4, 3))
    asked = Method(name="batch", inputs=(tensor,), outputs=(Tensor(name="output", dtype="float32"),))
    pixels = np.random.default_rng(0).integers(0, 256, (5, 6, 4, 3), dtype=np.uint8)
    calls = calls_of(asked, named(asked, pixels))
    assert [(call.entry, call.elements) for call in calls] == [("batch", 144)] * 3
    assert np.array_equal(calls[2].inputs["pixels"], pixels[[4, 4]])


def test_of_buckets_the_smallest_that_holds_an_example_is_chosen() -> None:
    asked = method(axis=Axis(name="length", most=4, buckets=(2, 4)), dtype="int32")
    calls = calls_of(asked, named(asked, TEXTS))
    assert [call.entry for call in calls] == ["forward_length_4", "forward_length_2", "forward_length_2"]
    assert [call.elements for call in calls] == [3, 1, 2]
    assert calls[0].inputs["ids"].dtype == np.int32
    assert calls[0].inputs["ids"].tolist() == [[1, 2, 3, 9]]
    with pytest.raises(InputError, match="takes 1 to 4 along the axis length, not 5"):
        calls_of(asked, named(asked, [[1] * 5]))
    with pytest.raises(InputError, match="takes 1 to 4 along the axis length, not 0"):
        calls_of(asked, named(asked, [[]]))


@pytest.mark.parametrize(
    ("example", "told"),
    [
        ([1.5], "an example for the tensor 'ids' of the method forward is no int64 (1, length)"),
        ([[1], [2, 3]], "an example for the tensor 'ids' of the method forward is no int64 (1, length)"),
        ([[1, 2]], "takes int64 (1, length), not 3 axes"),
        ({"pixels": [1]}, "the method forward takes no 'pixels'; it takes ids"),
        ({}, "'ids' of the method forward is missing"),
    ],
)
def test_what_is_no_example_is_refused(example: object, told: str) -> None:
    with pytest.raises(InputError, match=re.escape(told)):
        calls_of(method(), named(method(), [example]))


def test_examples_of_several_tensors_are_given_by_name() -> None:
    scale = Tensor(name="scale", dtype="float32", shape=(1,))
    asked = method().model_copy(update={"inputs": (*method().inputs, scale)})
    (call,) = calls_of(asked, [{"ids": np.array([[1, 2]]), "scale": np.array([2.0], dtype=np.float32)}])
    assert [each.tolist() for each in call.inputs.values()] == [[[1, 2]], [2.0]]
    with pytest.raises(InputError, match="the method forward takes ids, scale; give them by their names"):
        named(asked, [[1, 2]])


def test_outputs_come_apart_by_example_without_those_of_padding() -> None:
    asked = method(batch=2)
    examples = named(asked, TEXTS)
    outputs = [
        {"rows": np.arange(12.0).reshape(2, 3, 2), "mean": np.arange(6.0).reshape(2, 3)},
        {"rows": np.arange(8.0).reshape(2, 2, 2), "mean": np.arange(6.0).reshape(2, 3)},
    ]
    found = outputs_of_each(asked, outputs, examples)
    assert [each["rows"].shape for each in found] == [(1, 3, 2), (1, 1, 2), (1, 2, 2)]
    assert found[1]["rows"].tolist() == [[[6.0, 7.0]]]
    assert [each["mean"].tolist() for each in found] == [[[0.0, 1.0, 2.0]], [[3.0, 4.0, 5.0]], [[0.0, 1.0, 2.0]]]
