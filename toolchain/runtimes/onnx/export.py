"""ONNX: a module of one text or image to an `.onnx` file, a text's length being free.

In:  a float module.
Out: a file that ONNX Runtime runs and other tools read; making it int8 is `quantize`'s concern.
What makes and runs such files comes with the extra "onnx".
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from edgewright.base.extras import need
from edgewright.base.quiet import quiet
from edgewright.errors import ExportError
from edgewright.runtimes.export_failures import explained
from edgewright.runtimes.forms import Form, Input, TextForm

OUTPUT = "output"
MAX_LENGTH = "max_length"  # in the file's metadata: a graph of free length does not say where it ends
# It makes int8 of parts that stand in float between quantised ones, which is where int8 would spoil them.
UNWANTED = ["WeightBiasQuantization"]
PURPOSE = "make ONNX artifacts"
PACKAGES = ("onnx", "onnxruntime", "onnxscript")


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


def needs_onnx() -> None:
    """Raises `EnvironmentFaultError` where a package of the extra is not installed."""
    need(PACKAGES, purpose=PURPOSE, extra="onnx")


class Session:
    """An `.onnx` loaded in this process, for checking its outputs; the runner on the device is what is timed."""

    def __init__(self, file: Path, form: Form) -> None:
        needs_onnx()
        import onnxruntime

        self._form = form.one
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        self._session = onnxruntime.InferenceSession(
            str(file), options, providers=["CPUExecutionProvider"], disabled_optimizers=UNWANTED
        )

    def __call__(self, given: Input) -> Tensor:
        """One example's output, (outputs,)."""
        (output,) = self._session.run([OUTPUT], {self._form.name: self._form.tensor(given).numpy()})
        return torch.from_numpy(output[0].copy())
