"""A module of two inputs and two outputs as a file of each runtime, made by the real exporter."""

from functools import cache
from pathlib import Path

import numpy as np
from torch import Tensor, nn

from edgewright.runtimes.export_input import ExportInput, with_outputs
from edgewright.runtimes.table import RUNTIMES
from edgewright.specs.signature import Array, Axis, Call, Signature
from edgewright.specs.signature import Tensor as TensorSpec
from tests import tiny

MOST = 8


class Split(nn.Module):
    """(1, length) and (1, 1) → their product (1, length), and the sum (1, 1) of the first."""

    def forward(self, numbers: Tensor, times: Tensor) -> tuple[Tensor, Tensor]:
        return numbers * times, numbers.sum(dim=-1, keepdim=True)


def signature(runtime: str) -> Signature:
    """Any length up to `MOST`, or where shapes are fixed 4 or 8."""
    axis = Axis(name="length", most=MOST, buckets=(4, MOST) if RUNTIMES[runtime].fixed_shapes else ())
    inputs = (
        TensorSpec(name="numbers", dtype="float32", shape=(1, axis)),
        TensorSpec(name="times", dtype="float32", shape=(1, 1)),
    )
    return Signature(methods=(with_outputs(Split(), "forward", inputs, ("products", "total")),))


@cache
def file(runtime: str) -> Path:
    """The float file."""
    path = tiny.scratch() / f"split{RUNTIMES[runtime].suffix}"
    RUNTIMES[runtime].write_float(ExportInput(module=Split().eval(), signature=signature(runtime)), path)
    return path


def call(runtime: str, numbers: list[float], times: float) -> Call:
    """One call of it."""
    given: dict[str, Array] = {
        "numbers": np.array([numbers], dtype=np.float32),
        "times": np.array([[times]], dtype=np.float32),
    }
    return signature(runtime).method("forward").call(given)


def cut(runtime: str, outputs: dict[str, Array], length: int) -> dict[str, list[float]]:
    """Outputs without padding, as lists."""
    found = signature(runtime).method("forward").cut(outputs, {"length": length})
    return {name: each.flatten().tolist() for name, each in found.items()}
