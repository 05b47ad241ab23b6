"""ONNX: a module to an `.onnx` file of one method, in which axes are free.

In:  a float module, and its signature.
Out: a file that ONNX Runtime runs and other tools read; making it int8 is `quantize`'s concern.
What makes and runs such files comes with the extra "onnx".
"""

from __future__ import annotations

from pathlib import Path

import torch

from edgewright.base.extras import need
from edgewright.base.quiet import quiet
from edgewright.errors import ExportError
from edgewright.runtimes.export_failures import explained
from edgewright.runtimes.export_input import ExportInput, free_axes
from edgewright.runtimes.onnx import ONNX_PACKAGES

MOST = "max_"  # of an axis, in the file's metadata: a graph of free sizes does not say where they end
NEXT = "next_"  # of a state's name, as its output is called: a graph cannot have an input of the same name
PURPOSE = "make ONNX artifacts"


def export(source: ExportInput, destination: Path) -> None:
    """Write an `.onnx` of the one method there is.

    Raises `ExportError` with the exporter's own reason, `EnvironmentFaultError` without the extra "onnx".
    """
    needs_onnx()
    method = source.forward
    example, free = source.example(method), free_axes(method)
    try:
        with quiet(), torch.no_grad():
            program = torch.onnx.export(
                source.module.eval(),
                tuple(example.values()),
                dynamo=True,
                dynamic_shapes=free and (*free, *(None for _ in method.state)),
                input_names=list(example),
                output_names=[each.name for each in method.outputs] + [f"{NEXT}{name}" for name in method.state],
                verbose=False,
            )
            assert program is not None  # as it is with dynamo
            for axis in method.axes.values():
                program.model.metadata_props[f"{MOST}{axis.name}"] = str(axis.most)
            program.save(str(destination), external_data=False)
    except Exception as error:  # torch.export and onnxscript raise errors of many unrelated kinds
        raise ExportError("ONNX", explained(error, source)) from error


def write_float(source: ExportInput, file: Path) -> None:
    """Export the float model."""
    export(source, file)


def needs_onnx() -> None:
    """Raises `EnvironmentFaultError` where a package of the extra is not installed."""
    need(ONNX_PACKAGES, purpose=PURPOSE, extra="onnx")
