"""Parts are found in a finished file by their weights, in every order that a file may have them in."""

import numpy as np
from torch import nn

from edgewright.quantize.ranges import DEFAULT
from edgewright.runtimes.export_input import ExportInput
from edgewright.runtimes.quantization import Int8, weights_at
from edgewright.specs.signature import Method, Signature, Tensor

SIGNATURE = Signature(
    methods=(
        Method(
            name="forward",
            inputs=(Tensor(name="x", dtype="float32", shape=(1, 4)),),
            outputs=(Tensor(name="output", dtype="float32", shape=(1, 3)),),
        ),
    )
)


class Wrapped(nn.Module):
    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model


def source(model: nn.Module, place: str = "model") -> ExportInput:
    return ExportInput(module=Wrapped(model), signature=SIGNATURE, place=place)


def test_a_matrix_has_one_order_and_filters_have_three() -> None:
    model = nn.ModuleDict({"dense": nn.Linear(4, 3), "conv": nn.Conv2d(2, 6, 3)})
    (dense,) = weights_at(source(model), ["dense"])
    assert np.array_equal(dense, model["dense"].weight.detach().numpy())  # type: ignore[operator]
    first, last, depthwise = weights_at(source(model), ["conv"])
    assert [each.shape for each in (first, last, depthwise)] == [(6, 2, 3, 3), (6, 3, 3, 2), (2, 3, 3, 6)]
    assert last[5, 1, 2, 0] == first[5, 0, 1, 2] == depthwise[0, 1, 2, 5]
    assert all(each.flags["C_CONTIGUOUS"] for each in (first, last, depthwise))


def test_parts_are_named_from_where_the_model_lies() -> None:
    model = nn.Sequential(nn.Linear(4, 3), nn.Linear(3, 3))
    assert source(model).at("1") == "model.1"
    (found,) = weights_at(source(model), ["1"])
    assert np.array_equal(found, model[1].weight.detach().numpy())
    (same,) = weights_at(source(model, place=""), ["model.1"])
    assert np.array_equal(found, same)


def test_where_nothing_is_named_the_model_is_not_even_looked_at() -> None:
    assert weights_at(source(nn.Identity(), place="nowhere"), []) == []


def test_what_is_not_said_is_int8_with_activations_as_they_come() -> None:
    asked = Int8()
    assert (asked.excluded, asked.narrow, asked.examples, asked.calibration) == ((), (), (), DEFAULT)
