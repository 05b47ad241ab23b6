"""An exporter's error is told by the model's own part and line."""

from pathlib import Path

import torch
from torch import Tensor, nn

from edgewright.runtimes.export_failures import explained
from edgewright.runtimes.export_input import ExportInput
from edgewright.specs.signature import Method, Signature
from edgewright.specs.signature import Tensor as TensorSpec

HERE = Path(__file__).name


class GuardOnDataDependentSymNode(Exception):
    """As torch raises it."""


class Bessel(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return torch.special.bessel_j0(x)


class Branching(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        if x.sum() > 0:
            raise GuardOnDataDependentSymNode("u0 > 0")
        return x


class Network(nn.Module):
    def __init__(self, inner: nn.Module) -> None:
        super().__init__()
        self.model = nn.ModuleDict({"inner": inner})

    def forward(self, x: Tensor) -> Tensor:
        found: Tensor = self.model["inner"](x)
        return found


def source(inner: nn.Module) -> ExportInput:
    tensor = TensorSpec(name="x", dtype="float32", shape=(1, 4))
    output = TensorSpec(name="output", dtype="float32", shape=(1, 4))
    method = Method(name="forward", inputs=(tensor,), outputs=(output,))
    return ExportInput(module=Network(inner), signature=Signature(methods=(method,)))


def raised(given: ExportInput) -> Exception:
    """What running it raises, as an exporter would hand it on."""
    try:
        try:
            given.module(torch.ones(1, 4))
        except Exception as error:
            raise RuntimeError("the exporter gave up") from error
    except RuntimeError as error:
        return error
    raise AssertionError("nothing was raised")


def test_an_operator_that_a_runtime_lacks_is_told_with_the_part_and_the_line_that_call_it() -> None:
    error = RuntimeError("No ONNX function found for <OpOverload(op='aten.special_bessel_j0', overload='default')>")
    said = explained(error, source(Bessel()))
    assert said.startswith("the runtime has no operator special_bessel_j0, in inner (Bessel) at ")
    assert f"{HERE}:" in said
    assert "return torch.special.bessel_j0(x); make that of other operators" in said


def test_an_operator_that_an_exporter_calls_otherwise_is_found_by_its_end() -> None:
    said = explained(RuntimeError("Lowering not found: prims.bessel_j0.default"), source(Bessel()))
    assert "no operator bessel_j0, in inner (Bessel)" in said


def test_the_reason_may_lie_beneath_the_error() -> None:
    error = RuntimeError("it failed")
    error.__cause__ = ValueError("Missing out variants: {'aten::special_bessel_j0'}")
    assert "no operator special_bessel_j0, in inner" in explained(error, source(Bessel()))


def test_where_the_place_cannot_be_found_the_operator_is_told_all_the_same() -> None:
    said = explained(RuntimeError("No kernel for aten::special_bessel_j0"), source(Branching()))
    assert said.startswith("the runtime has no operator special_bessel_j0; make that of other operators")


def test_a_line_that_depends_on_values_is_told_with_what_to_do() -> None:
    given = source(Branching())
    said = explained(raised(given), given)
    assert said.startswith("what it computes depends on the values it is given, in inner (Branching) at ")
    assert 'raise GuardOnDataDependentSymNode("u0 > 0"); choose between results with torch.where' in said


def test_of_any_other_reason_the_exporters_words_stay() -> None:
    assert explained(ValueError("no room left"), source(Bessel())) == "no room left"
