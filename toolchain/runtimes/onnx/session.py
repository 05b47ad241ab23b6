"""ONNX Runtime in this process, for checking what an artifact gives; the runner on a device is what is timed."""

from __future__ import annotations

from pathlib import Path

from edgewright.runtimes.onnx.export import needs_onnx
from edgewright.specs.signature import Array, Call, Signature

# It makes int8 of parts that stand in float between quantised ones, which is where int8 would spoil them.
UNWANTED = ["WeightBiasQuantization"]


class Session:
    """An `.onnx` loaded in this process."""

    def __init__(self, file: Path, signature: Signature) -> None:
        needs_onnx()
        import onnxruntime

        self._signature = signature
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        self._session = onnxruntime.InferenceSession(
            str(file), options, providers=["CPUExecutionProvider"], disabled_optimizers=UNWANTED
        )

    def __call__(self, call: Call) -> dict[str, Array]:
        """The outputs of a call, by their names."""
        names = [each.name for each in self._signature.method(call.method).outputs]
        return dict(zip(names, self._session.run(names, dict(call.inputs)), strict=True))
