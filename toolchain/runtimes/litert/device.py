"""LiteRT's interpreter for a machine, from its wheel."""

import re

from edgewright.runtimes.python_device import PythonProvider, Wheel

# `ai_edge_litert.interpreter` imports two modules of its own package, its wrapper and NumPy; the rest of the wheel
# (a GPU accelerator, the newer LiteRT library, converters, vendors' tools) is 25 MB that it never opens.
WHEEL = Wheel(
    package="ai-edge-litert",
    purpose="run LiteRT artifacts",
    kept=re.compile(
        r"ai_edge_litert/(__init__|interpreter|metrics_interface|metrics_portable)\.py"
        r"|ai_edge_litert/(_pywrap_litert_interpreter_wrapper|libpywrap_litert_common)[^/]*\.so"
        r"|ai_edge_litert-[^/]*\.dist-info/METADATA"
    ),
)
PROVIDER = PythonProvider(name="litert", wheel=WHEEL)
