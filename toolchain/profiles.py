"""One device's facts, each with how sure it is and where it comes from.

In:  `profiles/*.toml` by name, or a TOML file of the user's by path.
Out: a `Profile`. What its numbers imply for a model (latency, memory) is `hardware`'s concern.
Every field, its unit and how it is measured is told in `profiles/README.md`.
"""

from __future__ import annotations

from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Annotated, Generic, Literal, TypeVar

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from toolchain.reading import Source, find_source, names_on, read_toml

Value = TypeVar("Value")
Count = Annotated[int, Field(gt=0)]
Amount = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Confidence = Literal["R", "E", "C", "U"]
Runtime = Literal["executorch", "litert", "onnx", "tflite"]

CONFIDENCE = {
    "R": "read in a primary source",
    "E": "seen in an excerpt",
    "C": "computed from other facts",
    "U": "unverified",
}
_NO_CORE = {"max", "host"}


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Sourced(_Part, Generic[Value]):
    """A value, how sure it is, and its source; `highest` is the upper end where the source gives a range."""

    value: Value
    highest: Value | None = None
    confidence: Confidence
    source: Annotated[str, Field(min_length=1)]


class Processor(_Part):
    """The cores, all of one kind, and which of the int8 instructions they have."""

    core: Sourced[str]
    cores: Sourced[Count]
    clock_mhz: Sourced[Count]
    dot_product: Sourced[bool]
    fp16: Sourced[bool]
    int8_peak_gops: Sourced[Amount]


class Caches(_Part):
    """Sizes in KiB; `l2_cores` is how many cores share one L2."""

    l1_data_kib: Sourced[Count]
    l2_kib: Sourced[Count]
    l2_cores: Sourced[Count]
    l3_kib: Sourced[Count] | None = None


class Memory(_Part):
    """Main memory; `usable_mb` is what Linux sees once the firmware has taken its share."""

    ram_mb: Sourced[Count]
    usable_mb: Sourced[Count] | None = None
    copy_bandwidth_gb_s: Sourced[Amount]


class Preferences(_Part):
    """How a model is shaped and run for this device: runtimes on offer, sizes kernels like, threads."""

    runtimes: Annotated[tuple[Runtime, ...], Field(min_length=1)]
    int8_channel_multiple: Sourced[Count]
    default_threads: Sourced[Count]


def _a_real_core(cpu: str) -> str:
    if cpu in _NO_CORE:
        raise ValueError(f"{cpu!r} is no device's core and gives other results; name one such as cortex-a72")
    return cpu


class Emulation(_Part):
    """The virtual machine that stands in for the device; never the device's speed."""

    machine: Literal["virt"] = "virt"
    cpu: Annotated[str, AfterValidator(_a_real_core)]
    ram_mb: Count
    cpus: Count


class Profile(_Part):
    """Everything Edgewright knows about one kind of device."""

    name: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]*$")]
    title: str
    firmware_name: str | None = None
    processor: Processor
    caches: Caches
    memory: Memory
    preferences: Preferences
    emulation: Emulation | None = None
    notes: tuple[str, ...] = ()


def profile_names() -> tuple[str, ...]:
    """The names of the profiles that come with Edgewright, sorted."""
    return names_on(_shelf())


def find_profile(name_or_path: str | Path) -> Source:
    """A profile's text as it stands in its file. Raises `UnknownNameError` or `InputError`."""
    return find_source(name_or_path, kind="profile", shelf=_shelf())


def load_profile(name_or_path: str | Path) -> Profile:
    """Read a profile by name or path.

    Raises `UnknownNameError` with the nearest names, `InvalidFileError` with every fault of the file.
    """
    return read_toml(find_profile(name_or_path), Profile)


def _shelf() -> Traversable:
    return files("profiles")
