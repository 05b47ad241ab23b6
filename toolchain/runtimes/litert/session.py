"""LiteRT in this process, for checking what an artifact gives; the runner on a device is what is timed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from edgewright.base.quiet import quiet
from edgewright.runtimes.forms import Form, Input
from edgewright.runtimes.litert.export import OUTPUT


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
