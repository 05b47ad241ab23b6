"""A module of an `ExportInput` as a session of its artifact would run it, the state going from call to call."""

from collections.abc import Callable

import torch
from torch import nn

from edgewright.runtimes.call_state import CallState
from edgewright.runtimes.export_input import tensors_of
from edgewright.specs.signature import Array, Call, Signature


def torch_session(module: nn.Module, signature: Signature) -> Callable[[Call], dict[str, Array]]:
    """`module` takes inputs and state and gives outputs and state, as an exporter gets it."""
    state = CallState(signature)

    def run(call: Call) -> dict[str, Array]:
        if call.reset:
            state.reset()
        with torch.no_grad():
            found = module(*tensors_of({**call.inputs, **state.of(call)}))
        return state.taken(
            call, {name: each.numpy() for name, each in zip((*call.outputs, *call.state), found, strict=True)}
        )

    return run
