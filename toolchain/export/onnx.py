"""ONNX: a module of one text to an `.onnx` file whose text length is free.

In:  a float module.
Out: a file that ONNX Runtime runs and other tools read; making it int8 is `quantize`'s concern.
What makes and runs such files comes with the extra "onnx".
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from toolchain.errors import ExportError
from toolchain.export.lengths import example_ids, free_length
from toolchain.extras import need
from toolchain.quiet import quiet

INPUT, OUTPUT = "ids", "output"
MAX_LENGTH = "max_length"  # in the file's metadata: a graph of free length does not say where it ends
PURPOSE = "make ONNX artifacts"
PACKAGES = ("onnx", "onnxruntime", "onnxscript")


def export(module: nn.Module, destination: Path, *, max_length: int) -> None:
    """Write an `.onnx` that takes int64 ids (1, n) for any n from 2 to `max_length`.

    Raises `ExportError` with the exporter's own reason, `EnvironmentFaultError` without the extra "onnx".
    """
    needs_onnx()
    try:
        with quiet(), torch.no_grad():
            program: Any = torch.onnx.export(
                module.eval(),
                (example_ids(),),
                dynamo=True,
                dynamic_shapes=free_length(max_length),
                input_names=[INPUT],
                output_names=[OUTPUT],
                verbose=False,
            )
            program.model.metadata_props[MAX_LENGTH] = str(max_length)
            program.save(str(destination), external_data=False)
    except Exception as error:  # torch.export and onnxscript raise errors of many unrelated kinds
        raise ExportError("ONNX", error) from error


def needs_onnx() -> None:
    """Raises `EnvironmentFaultError` where a package of the extra is not installed."""
    need(PACKAGES, purpose=PURPOSE, extra="onnx")


class Session:
    """An `.onnx` loaded in this process, for checking its outputs; the runner on the device is what is timed."""

    def __init__(self, file: Path) -> None:
        needs_onnx()
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        self._session = onnxruntime.InferenceSession(str(file), options, providers=["CPUExecutionProvider"])

    def __call__(self, ids: Sequence[int]) -> Tensor:
        """One text's output, (outputs,)."""
        (output,) = self._session.run([OUTPUT], {INPUT: torch.tensor([ids]).numpy()})
        return torch.from_numpy(output[0].copy())
