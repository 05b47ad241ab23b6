"""The structure of what is exported.

In:  a module and its form.
Out: a `Structure`, which says what the artifact computes whatever the device.
"""

from __future__ import annotations

import torch
from torch import nn

from toolchain.export.forms import Form, ImageForm
from toolchain.hardware.operators import Structure
from toolchain.hardware.trace import structure_of

TRACED_LENGTH = 24


def structure_for(module: nn.Module, form: Form) -> Structure:
    """The structure of what is exported with this form: of texts for every length."""
    if isinstance(form, ImageForm):
        return structure_of(module, [form.example()])
    longer = min(TRACED_LENGTH, form.max_length)
    return structure_of(module, [torch.ones(1, length, dtype=torch.long) for length in (longer // 2, longer)])
