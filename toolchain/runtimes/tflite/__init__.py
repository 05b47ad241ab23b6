"""TFLite: LiteRT's files for the last release of tflite-runtime, on old systems and 32-bit processors.

Its interpreter has no fast kernels for activations that are quantised as they come, so its scales are fixed.
"""

from edgewright.quantize.schemes import STATIC
from edgewright.runtimes.descriptor import Runtime, deferred
from edgewright.runtimes.tflite.device import PROVIDER

_LITERT = "edgewright.runtimes.litert"

DESCRIPTOR = Runtime(
    name="tflite",
    suffix=".tflite",
    stem="model-tflite",  # a bundle may have LiteRT's beside it
    fixed_shapes=True,
    generates=False,
    index_dtype="int32",
    provider=PROVIDER,
    write_float=deferred(f"{_LITERT}.export:write_float"),
    schemes={STATIC: deferred(f"{_LITERT}.int8:write_int8_one_scale")},
)
