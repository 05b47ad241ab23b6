"""ExecuTorch: `.pte` files, run by XNNPACK in a native runner that is made for each processor."""

from edgewright.runtimes.descriptor import Runtime, deferred
from edgewright.runtimes.executorch.device import NativeProvider

_HERE = "edgewright.runtimes.executorch"

DESCRIPTOR = Runtime(
    name="executorch",
    suffix=".pte",
    fixed_shapes=False,
    takes_int4=True,
    int8_of_float_file=False,
    writes_etdump=True,
    priced_by="executorch",
    measures_bandwidth=True,
    provider=NativeProvider(),
    write_float=deferred(f"{_HERE}.export:write_float"),
    write_int8=deferred(f"{_HERE}.export_int8:write_int8"),
    write_half=deferred(f"{_HERE}.export_int8:write_half"),
    session=deferred(f"{_HERE}.session:Session"),
)
