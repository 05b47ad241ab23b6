"""LiteRT: `.tflite` files of fixed shapes, run by its Python interpreter with XNNPACK."""

from edgewright.quantize.schemes import DYNAMIC, FLOAT16, INT4, STATIC
from edgewright.runtimes.descriptor import Runtime, deferred
from edgewright.runtimes.litert.device import PROVIDER

_HERE = "edgewright.runtimes.litert"

DESCRIPTOR = Runtime(
    name="litert",
    suffix=".tflite",
    fixed_shapes=True,
    index_dtype="int32",
    priced_by="ai-edge-litert",
    provider=PROVIDER,
    write_float=deferred(f"{_HERE}.export:write_float"),
    schemes={
        **dict.fromkeys((DYNAMIC, STATIC, INT4), deferred(f"{_HERE}.int8:write_int8")),
        FLOAT16.name: deferred(f"{_HERE}.int8:write_half"),
    },
    session=deferred(f"{_HERE}.session:Session"),
)
