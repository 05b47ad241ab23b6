"""An int8 or float16 `.pte` in one step: quantise the exported graph on its way to ExecuTorch.

In:  a float module, its signature, and examples where scales are to be fixed.
Out: the file, and what of it the XNNPACK delegate runs.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from torch import nn

from edgewright.quantize.half import Half
from edgewright.quantize.ranges import DEFAULT, Calibration
from edgewright.runtimes.executorch import export as executorch
from edgewright.runtimes.executorch import int8 as xnnpack
from edgewright.runtimes.export_input import ExportInput, example_of, fitted, tensors_of
from edgewright.runtimes.quantization import Int8
from edgewright.specs.signature import Array, Method


def write_int8(source: ExportInput, _float_file: Path, file: Path, asked: Int8) -> Mapping[str, Any]:
    """Export the model in int8; return how much of its graph XNNPACK took."""
    delegation = executorch_int8(
        source,
        file,
        examples=asked.examples,
        calibration=asked.calibration,
        products_only=bool(asked.examples) and source.products_only,
        excluded=[source.at(name) for name in asked.excluded],
        int4=[source.at(name) for name in asked.narrow],
        group=asked.group,
    )
    return {"delegated": delegation.delegated, "fallbacks": delegation.fallbacks}


def write_half(source: ExportInput, _float_file: Path, file: Path, _asked: Int8) -> Mapping[str, Any]:
    """Export the model in float16; return how much of its graph XNNPACK took."""
    delegation = executorch.export(replace(source, module=Half(source.module)), file)
    return {"delegated": delegation.delegated, "fallbacks": delegation.fallbacks}


def executorch_int8(
    source: ExportInput,
    file: Path,
    *,
    examples: Sequence[Mapping[str, Array]] = (),
    calibration: Calibration = DEFAULT,
    products_only: bool = False,
    excluded: Sequence[str] = (),
    int4: Sequence[str] = (),
    group: int | None = None,
) -> executorch.Delegation:
    """Export a module for ExecuTorch with int8 weights and tables, but for the parts `excluded` and `int4`.

    Parts are named by their places in the module. With `examples` activations have fixed scales by the `calibration`,
    or with `products_only` what layers with weights read and give; else they are quantised dynamically. Weights of int4
    have a scale for each `group` of inputs, where there are as many groups as fit, or else for each output.
    """
    grouped = xnnpack.in_groups(source.module, int4, group)

    def rewrite(graph: nn.Module, method: Method) -> nn.Module:
        seen = [tensors_of(fitted(method, each)) for each in examples]
        return xnnpack.with_int8(
            graph,
            seen or [tuple(example_of(method).values())],
            static=bool(seen),
            calibration=calibration,
            products_only=products_only,
            excluded=[*excluded, *grouped],
            int4=[place for place in int4 if place not in grouped],
        )

    smaller = xnnpack.with_quantized_embeddings(source.module, excluded=excluded)
    if grouped and group:
        smaller = xnnpack.with_grouped_int4(smaller, grouped, group=group)
    return executorch.export(replace(source, module=smaller), file, rewrite=rewrite)
