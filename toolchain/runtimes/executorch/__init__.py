"""ExecuTorch: `.pte` files, run by XNNPACK in a native runner that is made for each processor."""

from edgewright.quantize.schemes import DYNAMIC, FLOAT16, INT4, STATIC
from edgewright.runtimes.descriptor import Runtime, deferred
from edgewright.runtimes.executorch.device import NativeProvider
from edgewright.runtimes.executorch.native import OPERATOR_LIBRARIES

_HERE = "edgewright.runtimes.executorch"

DESCRIPTOR = Runtime(
    name="executorch",
    suffix=".pte",
    fixed_shapes=False,
    keeps_buffers=True,
    operators=OPERATOR_LIBRARIES,
    int8_of_float_file=False,
    writes_etdump=True,
    priced_by="executorch",
    measures_bandwidth=True,
    times_parts=True,
    provider=NativeProvider(),
    write_float=deferred(f"{_HERE}.export:write_float"),
    schemes={
        **dict.fromkeys((DYNAMIC, STATIC, INT4), deferred(f"{_HERE}.export_int8:write_int8")),
        FLOAT16.name: deferred(f"{_HERE}.export_int8:write_half"),
    },
    session=deferred(f"{_HERE}.session:Session"),
)
