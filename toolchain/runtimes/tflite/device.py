"""tflite-runtime for a machine, from its wheel."""

import re

from edgewright.runtimes.python_device import ARMHF, MACHINES, PythonProvider, Wheel

# The last release of what LiteRT was before: the one for old systems, and for Python 3.9 to 3.11.
WHEEL = Wheel(
    package="tflite-runtime",
    purpose="run TFLite artifacts",
    kept=re.compile(
        r"tflite_runtime/(__init__|interpreter|metrics_interface|metrics_portable)\.py"
        r"|tflite_runtime/_pywrap_tensorflow_interpreter_wrapper[^/]*\.so|tflite_runtime-[^/]*\.dist-info/METADATA"
    ),
    pinned=("2.14.0", "1.26.4"),
    machines=(*MACHINES, ARMHF),
)
PROVIDER = PythonProvider(name="tflite", wheel=WHEEL)
