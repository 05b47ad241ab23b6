"""ONNX: a module of one text or image to an `.onnx` file, a text's length being free.

In:  a float module.
Out: a file that ONNX Runtime runs and other tools read; making it int8 is `quantize`'s concern.
What makes and runs such files comes with the extra "onnx".
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import nn

from edgewright.base.extras import need
from edgewright.base.quiet import quiet
from edgewright.errors import ExportError
from edgewright.runtimes.export_failures import explained
from edgewright.runtimes.forms import Form, TextForm
from edgewright.runtimes.onnx import ONNX_PACKAGES
from edgewright.runtimes.subject import Subject

OUTPUT = "output"
MAX_LENGTH = "max_length"  # in the file's metadata: a graph of free length does not say where it ends
PURPOSE = "make ONNX artifacts"


def export(module: nn.Module, destination: Path, *, form: Form) -> None:
    """Write an `.onnx` that takes what the form says, one at a time.

    Raises `ExportError` with the exporter's own reason, `EnvironmentFaultError` without the extra "onnx".
    """
    needs_onnx()
    try:
        with quiet(), torch.no_grad():
            program: Any = torch.onnx.export(
                module.eval(),
                (form.one.example(),),
                dynamo=True,
                dynamic_shapes=form.free(),
                input_names=[form.name],
                output_names=[OUTPUT],
                verbose=False,
            )
            if isinstance(form, TextForm):
                program.model.metadata_props[MAX_LENGTH] = str(form.max_length)
            program.save(str(destination), external_data=False)
    except Exception as error:  # torch.export and onnxscript raise errors of many unrelated kinds
        raise ExportError("ONNX", explained(error, module, form)) from error


def write_float(subject: Subject, file: Path) -> None:
    """Export the float model."""
    export(subject.module(), file, form=subject.form)


def needs_onnx() -> None:
    """Raises `EnvironmentFaultError` where a package of the extra is not installed."""
    need(ONNX_PACKAGES, purpose=PURPOSE, extra="onnx")
