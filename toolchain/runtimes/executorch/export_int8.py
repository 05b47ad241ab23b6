"""An int8 or float16 `.pte` in one step: quantise the exported graph on its way to ExecuTorch.

In:  a float module of one text or image, its form, and examples where scales are to be fixed.
Out: the file, and what of it the XNNPACK delegate runs.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from torch import nn

from edgewright.quantize.half import Half
from edgewright.quantize.ranges import DEFAULT, Calibration
from edgewright.runtimes.executorch import export as executorch
from edgewright.runtimes.executorch import int8 as xnnpack
from edgewright.runtimes.forms import Form, Given
from edgewright.runtimes.subject import PLACE, Int8, Subject


def write_int8(subject: Subject, _float_file: Path, file: Path, asked: Int8) -> Mapping[str, Any]:
    """Export the model in int8; how much of its graph XNNPACK took is what it says of the file."""
    delegation = executorch_int8(
        subject.module(),
        file,
        form=subject.form,
        examples=subject.checked(asked.examples),
        calibration=asked.calibration,
        products_only=bool(len(asked.examples)) and subject.products_only,
        kept_float=[f"{PLACE}.{name}" for name in asked.kept_float],
        int4=[f"{PLACE}.{name}" for name in asked.int4],
    )
    return {"delegated": delegation.delegated, "fallbacks": delegation.fallbacks}


def write_half(subject: Subject, _float_file: Path, file: Path) -> Mapping[str, Any]:
    """Export the model in float16; how much of its graph XNNPACK took is what it says of the file."""
    delegation = executorch.export(Half(subject.module()), file, form=subject.form)
    return {"delegated": delegation.delegated, "fallbacks": delegation.fallbacks}


def executorch_int8(
    module: nn.Module,
    file: Path,
    *,
    form: Form,
    examples: Given = (),
    calibration: Calibration = DEFAULT,
    products_only: bool = False,
    kept_float: Sequence[str] = (),
    int4: Sequence[str] = (),
) -> executorch.Delegation:
    """Export a module for ExecuTorch with int8 weights and tables, but for the parts `kept_float` and `int4`.

    With `examples` activations have fixed scales by the `calibration`, or with `products_only` what layers with weights
    read and give; else they are quantised as they come.
    """
    return executorch.export(
        xnnpack.with_quantized_embeddings(module, kept_float=kept_float),
        file,
        form=form,
        rewrite=lambda graph, call: xnnpack.with_int8(
            graph,
            [call.tensor(each) for each in examples] or [call.example()],
            static=bool(len(examples)),
            calibration=calibration,
            products_only=products_only,
            kept_float=kept_float,
            int4=int4,
        ),
    )
