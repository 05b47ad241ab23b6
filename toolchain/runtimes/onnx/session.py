"""ONNX Runtime in this process, for checking what an artifact gives; the runner on a device is what is timed."""

from __future__ import annotations

from pathlib import Path

from edgewright.runtimes.call_state import CallState
from edgewright.runtimes.onnx.export import NEXT, needs_onnx
from edgewright.specs.signature import Array, Call, Signature

# It makes int8 of parts that stand in float between quantised ones, which is where int8 would spoil them.
UNWANTED = ["WeightBiasQuantization"]


class Session:
    """An `.onnx` loaded in this process."""

    def __init__(self, file: Path, signature: Signature) -> None:
        needs_onnx()
        import onnxruntime

        self._state = CallState(signature)
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        self._session = onnxruntime.InferenceSession(
            str(file), options, providers=["CPUExecutionProvider"], disabled_optimizers=UNWANTED
        )

    def __call__(self, call: Call) -> dict[str, Array]:
        """The outputs of a call, by their names; state lives on to the next call, until one resets it."""
        if call.reset:
            self._state.reset()
        wanted = [*call.outputs, *(f"{NEXT}{name}" for name in call.state)]
        outputs = self._session.run(wanted, {**call.inputs, **self._state.of(call)})
        return self._state.taken(call, dict(zip([*call.outputs, *call.state], outputs, strict=True)))
