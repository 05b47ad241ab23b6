"""LiteRT: a module to a `.tflite` file: an entry for each method and bucket, all sharing the weights.

In:  a float module that knows padding from content, and its signature.
Out: a float file; making it int8 is `quantize`'s concern.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from torch import Tensor, nn

from edgewright.base.quiet import quiet
from edgewright.errors import ExportError
from edgewright.runtimes.export_failures import explained
from edgewright.runtimes.export_input import ExportInput


def export(source: ExportInput, destination: Path) -> None:
    """Write a float `.tflite` with an entry for each bucket of each method.

    Raises `ExportError` with the converter's own reason.
    """
    try:
        with quiet():
            import litert_torch

            converter: Any = litert_torch
            for method in source.signature.methods:
                named = _Named(source.module, (*(each.name for each in method.outputs), *method.state))
                for name, sizes in method.entries():
                    converter = converter.signature(name, named, sample_kwargs=source.example(method, sizes))
            converter.convert().export(str(destination))
    except Exception as error:  # the converter raises errors of many unrelated kinds
        raise ExportError("LiteRT", explained(error, source)) from error


def write_float(source: ExportInput, file: Path) -> None:
    """Export the float model."""
    export(source, file)


class _Named(nn.Module):
    """The module, with names for its outputs that the file keeps."""

    def __init__(self, module: nn.Module, names: tuple[str, ...]) -> None:
        super().__init__()
        self.module, self.names = module, names

    def forward(self, **given: Tensor) -> dict[str, Tensor]:
        outputs = self.module(*given.values())
        return dict(zip(self.names, outputs if isinstance(outputs, tuple) else (outputs,), strict=True))
