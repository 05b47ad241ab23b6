"""What an exporter is given has the sizes that a signature allows, and methods that a module is seen to have."""

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from edgewright.runtimes.export_input import (
    ExportInput,
    entries_of,
    example_of,
    exported,
    fits,
    fitted,
    free_axes,
    tensors_of,
    with_outputs,
)
from edgewright.specs.signature import Axis, Method, Signature
from edgewright.specs.signature import Tensor as TensorSpec

LENGTH = Axis(name="length", most=32)
BUCKETS = Axis(name="length", most=8, buckets=(4, 8))


def ids(axis: Axis, rows: int = 1) -> TensorSpec:
    return TensorSpec(name="ids", dtype="int64", shape=(rows, axis))


def method(*inputs: TensorSpec, name: str = "forward") -> Method:
    return Method(name=name, inputs=inputs, outputs=(TensorSpec(name="output", dtype="float32"),))


class Embedded(nn.Module):
    """(rows, length) → (rows, length, 3), and (rows, 3)."""

    def __init__(self) -> None:
        super().__init__()
        self.table = nn.Embedding(10, 3)

    def forward(self, ids: Tensor) -> tuple[Tensor, Tensor]:
        vectors = self.table(ids)
        return vectors, vectors.mean(dim=1)


@pytest.mark.parametrize(
    ("axis", "size"),
    [(LENGTH, 16), (Axis(name="length", most=5), 5), (Axis(name="length", least=20, most=40), 20), (BUCKETS, 8)],
)
def test_an_example_is_of_a_usual_size_within_the_bounds(axis: Axis, size: int) -> None:
    found = example_of(method(ids(axis)))["ids"]
    assert (tuple(found.shape), found.dtype) == ((1, size), torch.int64)
    assert bool((found == 1).all())


def test_a_size_that_is_given_is_filled_to_its_bucket() -> None:
    assert example_of(method(ids(BUCKETS)), {"length": 3})["ids"].shape == (1, 4)
    assert example_of(method(ids(LENGTH)), {"length": 3})["ids"].shape == (1, 3)


def test_each_bucket_of_each_method_is_an_entry_of_its_own() -> None:
    signature = Signature(methods=(method(ids(BUCKETS)), method(ids(BUCKETS, rows=2), name="batch")))
    shapes = {name: tuple(each["ids"].shape) for name, each in entries_of(signature).items()}
    assert shapes == {
        "forward_length_4": (1, 4),
        "forward_length_8": (1, 8),
        "batch_length_4": (2, 4),
        "batch_length_8": (2, 8),
    }


def test_an_exported_program_takes_every_size_within_the_bounds() -> None:
    module = Embedded()
    program = exported(module, method(ids(LENGTH))).module()
    for length in (2, 7, 32):
        given = torch.arange(length)[None] % 10
        torch.testing.assert_close(program(given)[1], module(given)[1])
    with pytest.raises(AssertionError, match="<= 32"):
        program(torch.zeros(1, 33, dtype=torch.long))


def test_where_every_size_is_fixed_nothing_is_free() -> None:
    fixed = TensorSpec(name="pixels", dtype="uint8", shape=(1, 4, 4, 3))
    assert free_axes(method(fixed)) is None
    (of_ids, of_pixels) = free_axes(method(ids(LENGTH), fixed)) or ()
    assert list(of_ids) == [1]
    assert of_pixels is None


def test_a_module_that_takes_any_number_of_tensors_is_exported_too() -> None:
    class Summed(nn.Module):
        def forward(self, *tensors: Tensor) -> Tensor:
            return tensors[0] + tensors[1]

    program = exported(Summed(), method(ids(LENGTH), TensorSpec(name="more", dtype="int64", shape=(1, LENGTH))))
    both = torch.arange(5)[None]
    assert program.module()(both, both).tolist() == [[0, 2, 4, 6, 8]]


def test_one_example_is_repeated_and_padded_as_a_method_wants_it() -> None:
    padded = TensorSpec(name="ids", dtype="int64", shape=(3, BUCKETS), padding=7)
    one = {"ids": np.array([[1, 2, 3]])}
    assert fitted(method(padded), one, {"length": 4})["ids"].tolist() == [[1, 2, 3, 7]] * 3
    assert fitted(method(padded), one)["ids"].tolist() == [[1, 2, 3]] * 3
    whole = {"ids": np.array([[1, 2, 3, 4]])}
    assert fitted(method(ids(BUCKETS)), whole, {"length": 4})["ids"] is whole["ids"]


def test_an_example_fits_sizes_that_are_no_smaller() -> None:
    one: dict[str, Any] = {"ids": np.zeros((1, 5), dtype=np.int64)}
    assert fits(method(ids(BUCKETS)), one, {"length": 8})
    assert not fits(method(ids(BUCKETS)), one, {"length": 4})
    assert fits(method(ids(LENGTH)), one, {})
    assert not fits(method(ids(Axis(name="length", most=4))), one, {})


def test_outputs_are_what_a_module_is_seen_to_give() -> None:
    found = with_outputs(Embedded(), "forward", [ids(LENGTH)], ["vectors", "mean"])
    vectors, mean = found.outputs
    assert (vectors.name, vectors.dtype, vectors.shape) == ("vectors", "float32", (1, LENGTH, 3))
    assert (mean.name, mean.shape) == ("mean", (1, 3))


def test_outputs_without_a_name_each_are_refused() -> None:
    with pytest.raises(ValueError, match="zip"):
        with_outputs(Embedded(), "forward", [ids(LENGTH)], ["vectors"])


def test_tensors_come_in_the_methods_order_whatever_their_memory() -> None:
    turned = np.arange(6, dtype=np.float32).reshape(2, 3).T
    first, second = tensors_of({"a": turned, "b": np.array([True])})
    assert first.tolist() == [[0, 3], [1, 4], [2, 5]]
    assert second.dtype == torch.bool


def test_the_method_of_one_example_is_found_by_name_or_is_the_first() -> None:
    def source(*names: str) -> ExportInput:
        methods = tuple(method(ids(LENGTH), name=name) for name in names)
        return ExportInput(module=Embedded(), signature=Signature(methods=methods))

    assert source("batch", "forward").forward.name == "forward"
    assert source("encode", "decode").forward.name == "encode"
    assert list(source("forward").parts()) == ["table"]
    assert source("forward").at("table") == "table"
