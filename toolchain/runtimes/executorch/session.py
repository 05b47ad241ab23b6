"""ExecuTorch in this process, for checking what an artifact gives; the runner on a device is what is timed."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from torch import Tensor

from edgewright.base.quiet import quiet
from edgewright.runtimes.call_state import CallState
from edgewright.runtimes.executorch.export import load_operators, runtime
from edgewright.runtimes.export_input import tensors_of
from edgewright.specs.signature import Array, Call, Signature


class _Method(Protocol):
    """One of a program's methods, as ExecuTorch loads it."""

    def execute(self, inputs: Sequence[Tensor]) -> Sequence[Tensor]: ...


class Session:
    """A `.pte` loaded in this process."""

    def __init__(self, file: Path, signature: Signature) -> None:
        self._file, self._signature, self._state = file, signature, CallState(signature)
        self._methods: dict[str, _Method] = {}
        if signature.operators:
            load_operators()
        self._load()

    def _load(self) -> None:
        with quiet():  # its threads tell the terminal where they looked for the processor's name
            self._program = runtime().load_program(self._file)
        self._methods.clear()

    def __call__(self, call: Call) -> dict[str, Array]:
        """The outputs of a call, by their names; state lives on to the next call, until one resets it."""
        if call.reset:
            self._state.reset()
            self._load()  # with buffers of its own as they are at first
        if call.entry not in self._methods:
            with quiet():
                self._methods[call.entry] = self._program.load_method(call.entry)
        names = [*call.outputs, *call.state]
        outputs = self._methods[call.entry].execute(list(tensors_of({**call.inputs, **self._state.of(call)})))
        arrays = {name: output.clone().numpy() for name, output in zip(names, outputs, strict=True)}
        return self._state.taken(call, arrays)
