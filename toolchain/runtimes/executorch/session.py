"""ExecuTorch in this process, for checking what an artifact gives; the runner on a device is what is timed."""

from __future__ import annotations

from pathlib import Path

from torch import Tensor

from edgewright.base.quiet import quiet
from edgewright.runtimes.executorch.export import runtime
from edgewright.runtimes.forms import METHOD, Form, Input


class Session:
    """A `.pte` loaded in this process, for checking its outputs; `runner` in `device_scripts` is what is timed."""

    def __init__(self, file: Path, form: Form) -> None:
        with quiet():  # its threads tell the terminal where they looked for the processor's name
            self._program = runtime().load_program(file)
            self._method = self._program.load_method(METHOD)
        self._form = form.one

    def __call__(self, given: Input) -> Tensor:
        """One example's output, (outputs,)."""
        output: Tensor = self._method.execute([self._form.tensor(given)])[0]
        return output[0].clone()
