"""ONNX Runtime for a machine, from its wheel."""

import re

from edgewright.runtimes.python_device import PythonProvider, Wheel

# Its Python module has the whole runtime in it; the library beside it is for programs in C.
WHEEL = Wheel(
    package="onnxruntime",
    purpose="run ONNX artifacts",
    kept=re.compile(
        r"onnxruntime/__init__\.py|onnxruntime/capi/[^/]*\.py|onnxruntime/capi/onnxruntime_pybind11_state[^/]*\.so"
        r"|onnxruntime-[^/]*\.dist-info/METADATA"
    ),
)
PROVIDER = PythonProvider(name="onnx", wheel=WHEEL)
