"""float16, for cores that compute in it: nothing is rounded to integers, and files and latencies halve.

In:  a float32 module of one text or image.
Out: a module that computes in float16; what it is asked and what it answers stay as they were.
"""

from __future__ import annotations

import copy

from torch import Tensor, nn


class Half(nn.Module):
    """A copy of a module in float16 whose outputs are float32."""

    def __init__(self, module: nn.Module) -> None:
        super().__init__()
        self.module = copy.deepcopy(module).half()

    def forward(self, given: Tensor) -> Tensor:
        """As the module's own."""
        output: Tensor = self.module(given)
        return output.float()
