"""The runtimes there are, by the names that recipes, profiles and manifests have for them.

In:  a name.
Out: its `Runtime`. A new one is a folder beside its siblings and a line here, or a package with an entry point
     "edgewright.runtimes".
"""

from __future__ import annotations

from collections.abc import Callable

from edgewright.base.registry import Registry, instance_of
from edgewright.runtimes.descriptor import Runtime

RUNTIMES: Registry[Runtime] = Registry(
    "runtime",
    {
        "executorch": "edgewright.runtimes.executorch:DESCRIPTOR",
        "litert": "edgewright.runtimes.litert:DESCRIPTOR",
        "onnx": "edgewright.runtimes.onnx:DESCRIPTOR",
        "tflite": "edgewright.runtimes.tflite:DESCRIPTOR",
    },
    group="edgewright.runtimes",
    check=instance_of("runtime", Runtime),
)


def runtimes_that(fits: Callable[[Runtime], object]) -> tuple[str, ...]:
    """The names of the runtimes that fit."""
    return tuple(name for name, runtime in RUNTIMES.items() if fits(runtime))


def priced_runtimes() -> tuple[str, ...]:
    """The names of those that prices are measured for, so that predictions can be made."""
    return runtimes_that(lambda runtime: runtime.priced_by)
