"""ONNX Runtime in this process, for checking what an artifact gives; the runner on a device is what is timed."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor

from edgewright.runtimes.forms import Form, Input
from edgewright.runtimes.onnx.export import OUTPUT, needs_onnx

# It makes int8 of parts that stand in float between quantised ones, which is where int8 would spoil them.
UNWANTED = ["WeightBiasQuantization"]


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
