"""LiteRT: a module of texts or images to a `.tflite` file: one signature a length and batch, all sharing the weights.

In:  a float module; one of texts treats id 0 as padding.
Out: a float file; making it int8 is `quantize`'s concern.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from edgewright.base.quiet import quiet
from edgewright.errors import ExportError
from edgewright.runtimes.export_failures import explained
from edgewright.runtimes.forms import Form, Input, signatures

OUTPUT = "output"


def export(module: nn.Module, destination: Path, *, form: Form) -> None:
    """Write a float `.tflite` with a signature for each of the form's fixed shapes.

    Raises `ExportError` with the converter's own reason.
    """
    try:
        with quiet():
            import litert_torch

            converter: Any = litert_torch
            for name, example in signatures(form.calls()).items():
                converter = converter.signature(name, _Named(module), sample_kwargs={form.name: example})
            converter.convert().export(str(destination))
    except Exception as error:  # the converter raises errors of many unrelated kinds
        raise ExportError("LiteRT", explained(error, module, form)) from error


class _Named(nn.Module):
    """The module, with a name for its output that the file keeps."""

    def __init__(self, module: nn.Module) -> None:
        super().__init__()
        self.module = module

    def forward(self, **given: Tensor) -> dict[str, Tensor]:
        return {OUTPUT: self.module(*given.values())}


class Session:
    """A `.tflite` loaded in this process, for checking its outputs; the runner on the device is what is timed."""

    def __init__(self, file: Path, form: Form) -> None:
        with quiet():
            from ai_edge_litert.interpreter import Interpreter

            self._interpreter = Interpreter(model_path=str(file), num_threads=1)
        self._form = form.one
        self._runners: dict[str, Any] = {}

    def __call__(self, given: Input) -> Tensor:
        """One example's output, (outputs,), from the smallest signature that holds it."""
        name, filled = self._form.fixed(given)
        if name not in self._runners:
            self._runners[name] = self._interpreter.get_signature_runner(name)
        output = self._runners[name](**{self._form.name: filled.numpy()})[OUTPUT]
        return torch.from_numpy(output[0].copy())
