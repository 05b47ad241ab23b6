"""ONNX: `.onnx` files, run by ONNX Runtime in Python; what makes and runs them comes with the extra "onnx"."""

from edgewright.quantize.schemes import DYNAMIC, STATIC
from edgewright.runtimes.descriptor import Runtime, deferred
from edgewright.runtimes.onnx.device import PROVIDER

ONNX_PACKAGES = ("onnx", "onnxruntime", "onnxscript")
_HERE = "edgewright.runtimes.onnx"

DESCRIPTOR = Runtime(
    name="onnx",
    suffix=".onnx",
    fixed_shapes=False,
    takes_batches=False,
    single_method=True,
    packages=ONNX_PACKAGES,
    provider=PROVIDER,
    write_float=deferred(f"{_HERE}.export:write_float"),
    schemes=dict.fromkeys((DYNAMIC, STATIC), deferred(f"{_HERE}.int8:write_int8")),
    session=deferred(f"{_HERE}.session:Session"),
)
