"""LiteRT: a module of one text to a `.tflite` file with one signature for each length, all sharing the weights.

In:  a float module that treats id 0 as padding.
Out: a float file; making it int8 is `quantize`'s concern.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from toolchain.errors import ExportError
from toolchain.quiet import quiet

INPUT, OUTPUT = "ids", "output"


def signature_name(length: int) -> str:
    """The signature for texts of up to `length` tokens."""
    return f"length_{length}"


def export(module: nn.Module, destination: Path, *, lengths: Sequence[int]) -> None:
    """Write a float `.tflite` that takes int32 ids (1, n) for each n of `lengths`.

    Raises `ExportError` with the converter's own reason.
    """
    try:
        with quiet():
            import litert_torch

            converter: Any = litert_torch
            for length in lengths:
                example = {INPUT: torch.ones(1, length, dtype=torch.int32)}
                converter = converter.signature(signature_name(length), _Named(module), sample_kwargs=example)
            converter.convert().export(str(destination))
    except Exception as error:  # the converter raises errors of many unrelated kinds
        raise ExportError("LiteRT", error) from error


class _Named(nn.Module):
    """The module, with a name for its output that the file keeps."""

    def __init__(self, module: nn.Module) -> None:
        super().__init__()
        self.module = module

    def forward(self, ids: Tensor) -> dict[str, Tensor]:
        return {OUTPUT: self.module(ids)}


class Session:
    """A `.tflite` loaded in this process, for checking its outputs; the runner on the device is what is timed."""

    def __init__(self, file: Path, lengths: Sequence[int]) -> None:
        with quiet():
            from ai_edge_litert.interpreter import Interpreter

            self._interpreter = Interpreter(model_path=str(file), num_threads=1)
        self._lengths = tuple(lengths)
        self._runners: dict[int, Any] = {}

    def __call__(self, ids: Sequence[int]) -> Tensor:
        """One text's output, (outputs,), from the smallest signature that holds it."""
        length = next(length for length in self._lengths if length >= len(ids))
        if length not in self._runners:
            self._runners[length] = self._interpreter.get_signature_runner(signature_name(length))
        filled = torch.zeros(1, length, dtype=torch.int32)
        filled[0, : len(ids)] = torch.as_tensor(ids)
        output = self._runners[length](**{INPUT: filled.numpy()})[OUTPUT]
        return torch.from_numpy(output[0].copy())
