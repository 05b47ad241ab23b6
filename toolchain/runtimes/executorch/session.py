"""ExecuTorch in this process, for checking what an artifact gives; the runner on a device is what is timed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from edgewright.base.quiet import quiet
from edgewright.runtimes.executorch.export import runtime
from edgewright.runtimes.export_input import tensors_of
from edgewright.specs.signature import Array, Call, Signature


class Session:
    """A `.pte` loaded in this process."""

    def __init__(self, file: Path, signature: Signature) -> None:
        with quiet():  # its threads tell the terminal where they looked for the processor's name
            self._program = runtime().load_program(file)
        self._signature = signature
        self._methods: dict[str, Any] = {}

    def __call__(self, call: Call) -> dict[str, Array]:
        """The outputs of a call, by their names."""
        if call.entry not in self._methods:
            with quiet():
                self._methods[call.entry] = self._program.load_method(call.entry)
        names = [each.name for each in self._signature.method(call.method).outputs]
        outputs = self._methods[call.entry].execute(list(tensors_of(call.inputs)))
        return {name: output.clone().numpy() for name, output in zip(names, outputs, strict=True)}
