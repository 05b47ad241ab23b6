"""The state that goes from call to call of an artifact in this process.

In:  a signature, and what each call gave.
Out: what the next call is handed beside its inputs: zeros at first, and after a reset.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from edgewright.specs.signature import Array, Call, Signature


class CallState:
    """An array for each tensor of a signature's `state`."""

    def __init__(self, signature: Signature) -> None:
        self._tensors = signature.state
        self._arrays: dict[str, Array] = {}
        self.reset()

    def reset(self) -> None:
        """Make it zeros."""
        self._arrays = {
            each.name: np.zeros([size for size in each.shape if isinstance(size, int)], dtype=each.dtype)
            for each in self._tensors
        }

    def of(self, call: Call) -> dict[str, Array]:
        """What a call is handed, in its order."""
        return {name: self._arrays[name] for name in call.state}

    def taken(self, call: Call, outputs: Mapping[str, Array]) -> dict[str, Array]:
        """Keep the state among a call's outputs; the others are what it gave."""
        self._arrays.update({name: outputs[name] for name in call.state})
        return {name: array for name, array in outputs.items() if name not in call.state}
