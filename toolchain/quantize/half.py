"""float16, for cores that compute in it: nothing is rounded to integers, and files and latencies halve.

In:  a float32 module.
Out: a module that computes in float16; what it takes and gives stays as it was.
"""

from __future__ import annotations

import copy

import torch
from torch import Tensor, nn


class Half(nn.Module):
    """A copy of a module in float16 whose floating inputs and outputs are float32."""

    def __init__(self, module: nn.Module) -> None:
        super().__init__()
        self.module = copy.deepcopy(module).half()

    def forward(self, *inputs: Tensor) -> Tensor | tuple[Tensor, ...]:
        """Run the module on these inputs; its outputs as it gives them, one tensor or several."""
        outputs = self.module(*(each.half() if each.dtype == torch.float32 else each for each in inputs))
        if isinstance(outputs, tuple):
            return tuple(_widened(each) for each in outputs)
        return _widened(outputs)


def _widened(output: Tensor) -> Tensor:
    return output.float() if output.dtype == torch.float16 else output
