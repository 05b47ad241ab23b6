"""An int8 `.pte` in one step: quantise the exported graph on its way to ExecuTorch.

In:  a float module of one text or image, its form, and examples where scales are to be fixed.
Out: the file, and what of it the XNNPACK delegate runs.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from torch import nn

from edgewright.quantize.ranges import DEFAULT, Calibration
from edgewright.runtimes.executorch import export as executorch
from edgewright.runtimes.executorch import int8 as xnnpack
from edgewright.runtimes.forms import Form, Given


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
