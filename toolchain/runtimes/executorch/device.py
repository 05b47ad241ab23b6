"""The native ExecuTorch runner for a machine.

In:  the machine's processor and C library.
Out: a `DeviceRuntime`: the runner with the libraries it needs, and where the machine's C library will not do, with one.
"""

from dataclasses import dataclass
from types import MappingProxyType

from packaging.version import Version

from edgewright.runtimes.descriptor import System, Variant
from edgewright.runtimes.device import DeviceRuntime
from edgewright.runtimes.executorch.native import (
    LOADERS,
    NEEDED_GLIBC,
    OPERATOR_LIBRARIES,
    PROGRAM,
    native_files,
    own_c_library,
)


@dataclass(frozen=True, kw_only=True)
class NativeProvider:
    """A program, which brings its own C library where there is none, another, or one that is too old."""

    machines: tuple[str, ...] = tuple(LOADERS)
    in_python: bool = False
    brings_c_library: bool = True
    least_glibc: str = NEEDED_GLIBC

    def provide(self, variant: Variant) -> DeviceRuntime:
        """The runner for a processor. Raises `EnvironmentFaultError` without a compiler for it."""
        version, files = native_files(variant.machine)
        argv: tuple[str, ...] = (f"{{runtime}}/{PROGRAM}", "{job}")
        if variant.with_c_library:
            files = {**files, **own_c_library(variant.machine)}
            argv = (f"{{runtime}}/{LOADERS[variant.machine]}", "--library-path", "{runtime}", *argv)
        return DeviceRuntime(
            name="executorch",
            version=version,
            files=MappingProxyType(dict(files)),
            argv=argv,
            operators=OPERATOR_LIBRARIES,
        )

    def variant_for(self, system: System) -> Variant:
        """What runs there; with its own C library that is also where programs have 32 bits and the kernel 64."""
        glibc = system.libc.removeprefix("glibc ") if system.libc else None
        fits = not system.is_narrow_arm and glibc is not None and Version(glibc) >= Version(self.least_glibc)
        return Variant(machine=system.machine, with_c_library=not fits)
