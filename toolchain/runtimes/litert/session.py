"""LiteRT in this process, for checking what an artifact gives; the runner on a device is what is timed."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from edgewright.base.quiet import quiet
from edgewright.runtimes.call_state import CallState
from edgewright.specs.signature import Array, Call, Signature


class Session:
    """A `.tflite` loaded in this process."""

    def __init__(self, file: Path, signature: Signature) -> None:
        with quiet():
            from ai_edge_litert.interpreter import Interpreter

            self._interpreter = Interpreter(model_path=str(file), num_threads=1)
        self._runners: dict[str, Callable[..., dict[str, Array]]] = {}
        self._state = CallState(signature)

    def __call__(self, call: Call) -> dict[str, Array]:
        """The outputs of a call, by their names; state lives on to the next call, until one resets it."""
        if call.reset:
            self._state.reset()
        if call.entry not in self._runners:
            self._runners[call.entry] = self._interpreter.get_signature_runner(call.entry)
        outputs = self._runners[call.entry](**call.inputs, **self._state.of(call))
        return self._state.taken(call, {name: output.copy() for name, output in outputs.items()})
