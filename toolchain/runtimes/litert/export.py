"""LiteRT: a module of texts or images to a `.tflite` file: one signature a length and batch, all sharing the weights.

In:  a float module; one of texts treats id 0 as padding.
Out: a float file; making it int8 is `quantize`'s concern.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from torch import Tensor, nn

from edgewright.base.quiet import quiet
from edgewright.errors import ExportError
from edgewright.runtimes.export_failures import explained
from edgewright.runtimes.forms import Form, signatures
from edgewright.runtimes.subject import Subject

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


def write_float(subject: Subject, file: Path) -> None:
    """Export the float model, to which id 0 is padding."""
    export(subject.module(padded=True), file, form=subject.form)


class _Named(nn.Module):
    """The module, with a name for its output that the file keeps."""

    def __init__(self, module: nn.Module) -> None:
        super().__init__()
        self.module = module

    def forward(self, **given: Tensor) -> dict[str, Tensor]:
        return {OUTPUT: self.module(*given.values())}
