"""What a build, a bench and a prediction need to know of a runtime, as one value.

In:  a runtime's room: its name, what its files are like, and the functions that write, run and provide them.
Out: `Runtime`, of which `table.RUNTIMES` has one for each name. Whoever wants something that differs from runtime to
     runtime asks its descriptor; nobody compares names.
A descriptor is read without torch or an exporter: what needs those is `deferred` until it is called.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from importlib import import_module, metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from edgewright.errors import InputError
from edgewright.quantize.schemes import DYNAMIC, QUANTIZATION_SCHEMES, STATIC

if TYPE_CHECKING:
    from edgewright.runtimes.device import DeviceRuntime
    from edgewright.runtimes.export_input import ExportInput
    from edgewright.runtimes.quantization import Int8
    from edgewright.specs.signature import Array, Call, DType, Signature

Findings = Mapping[str, Any]
"""What an exporter reports of a file that it wrote, for the manifest."""

SchemeWriter = Callable[["ExportInput", Path, Path, "Int8"], Findings]
"""Writes a file in a quantisation scheme: the export's input, the float file, the file, and the wanted `Int8`."""


def deferred(place: str) -> Callable[..., Any]:
    """A function that is imported from "package.module:NAME" when it is first called."""

    def call(*arguments: Any, **named: Any) -> Any:
        module, _, name = place.partition(":")
        return getattr(import_module(module), name)(*arguments, **named)

    return call


@dataclass(frozen=True, kw_only=True)
class System:
    """A machine as programs see it: its processor, the size of their words, its C library ("glibc 2.36"), its Python.

    `is_host` says that it is this machine, whose Python is the interpreter that runs this.
    """

    address: str
    machine: str
    word_bits: int | None = None
    libc: str | None = None
    python: str | None = None
    is_host: bool = False

    @property
    def is_narrow_arm(self) -> bool:
        """Whether its programs have 32 bits, on a processor of Arm's."""
        return self.word_bits == 32 and self.machine in ("aarch64", "armv7l", "armv8l")


@dataclass(frozen=True, kw_only=True)
class Variant:
    """A runtime for programs of a processor, for a version of Python ("3.11") or with a C library of its own."""

    machine: str
    python: str | None = None
    with_c_library: bool = False


class Provider(Protocol):
    """How a runtime is made ready for a machine."""

    @property
    def machines(self) -> tuple[str, ...]:
        """The processors that it is made for, as `uname -m` names them."""
        ...

    @property
    def in_python(self) -> bool:
        """Whether a Python interpreter runs it there."""
        ...

    @property
    def brings_c_library(self) -> bool:
        """Whether it can do without the machine's own."""
        ...

    @property
    def least_glibc(self) -> str:
        """The oldest release of glibc that will do where it uses the machine's."""
        ...

    def provide(self, variant: Variant) -> DeviceRuntime:
        """Make or fetch that variant, once. Raises `EnvironmentFaultError` when a tool is missing."""
        ...

    def variant_for(self, system: System) -> Variant:
        """The variant that fits a machine as it is. Raises `TargetError` where none does."""
        ...


@dataclass(frozen=True, kw_only=True)
class Runtime:
    """One runtime.

    `suffix` and `stem` name its files. With `fixed_shapes` a file has an entry for each bucket of an axis, else sizes
    are free. Indexes, as a text's ids, are of the `index_dtype`. One that `takes_batches` can be given several examples
    at once by the same weights. A file has a `single_method` or several; with `keeps_buffers` it may hold state of
    its own, which all its methods share. One that `generates` has operators to write the rows of a cache; `operators`
    are libraries of such that its runner has beside the runtime's own, and what is exported may call.
    `write_float` gets the export's input; a writer of one of the `schemes` the float file and an `Int8`, too, and
    returns its findings. With `int8_of_float_file` such a file is made of the float one, which must be there. Where
    there is no `session`, and for several examples at once, an artifact is run by the runner that devices have.
    `packages` shape an artifact and are not among those every build has. `priced_by` is the package whose version
    measured prices go with; without one none are measured. One that `measures_bandwidth` has a runner that also
    times how fast memory is copied. By one that `times_parts` a search for sizes has models of one layer timed.
    """

    name: str
    suffix: str
    stem: str = "model"
    fixed_shapes: bool
    index_dtype: DType = "int64"
    takes_batches: bool = True
    single_method: bool = False
    keeps_buffers: bool = False
    generates: bool = True
    operators: tuple[str, ...] = ()
    int8_of_float_file: bool = True
    writes_etdump: bool = False
    priced_by: str | None = None
    measures_bandwidth: bool = False
    times_parts: bool = False
    packages: tuple[str, ...] = ()
    provider: Provider = field(repr=False)
    write_float: Callable[[ExportInput, Path], None] = field(repr=False)
    schemes: Mapping[str, SchemeWriter] = field(repr=False)
    session: Callable[[Path, Signature], Callable[[Call], dict[str, Array]]] | None = field(default=None, repr=False)

    @property
    def file_name(self) -> str:
        """The name of its artifact in a stage's folder and in a bundle."""
        return f"{self.stem}{self.suffix}"

    def supports(self, scheme: str) -> bool:
        """Whether it has kernels for a quantisation scheme, or the scheme brings its support."""
        return scheme in self.schemes or self.name in QUANTIZATION_SCHEMES[scheme].writers

    def chosen(self, scheme: str) -> str:
        """This scheme, or what a runtime without kernels for it is given instead."""
        return scheme if self.supports(scheme) else QUANTIZATION_SCHEMES[scheme].instead or scheme

    def write(self, scheme: str, source: ExportInput, float_file: Path, file: Path, asked: Int8) -> Findings:
        """Write a file in a scheme. Raises `InputError` for one that the runtime has no kernels for."""
        writer = self.schemes.get(scheme) or QUANTIZATION_SCHEMES[scheme].writers.get(self.name)
        if writer is None:
            raise InputError(f"{self.name} {QUANTIZATION_SCHEMES[scheme].lacks}; choose another scheme than {scheme}")
        return writer(source, float_file, file, asked)

    def write_int8(self, source: ExportInput, float_file: Path, file: Path, asked: Int8) -> Findings:
        """Write an int8 file: with fixed scales where examples are given, else quantised dynamically."""
        return self.write(STATIC if asked.examples else DYNAMIC, source, float_file, file, asked)

    def versions(self) -> dict[str, str]:
        """The versions of its own packages, as far as they are installed."""
        versions = {}
        for name in self.packages:
            try:
                versions[name] = metadata.version(name)
            except metadata.PackageNotFoundError:
                continue
        return versions
