"""One device's facts, each with how sure it is and where it comes from.

In:  `profiles/*.toml` by name, or a TOML file of the user's by path; either may extend another.
Out: a `Profile`, whose facts do not contradict each other. What its numbers imply for a model (latency, memory) is
     `hardware`'s concern.
Every field, its unit and how it is measured is told in `profiles/README.md`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib import import_module
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Annotated, Generic, Literal, TypeVar

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from edgewright.base.reading import Source, find_source, names_on, parsed_toml, validated
from edgewright.base.toml_lines import key_lines, place_of
from edgewright.base.untrusted import Location
from edgewright.errors import InvalidFileError, UnknownNameError, nearest
from edgewright.specs.microarchitectures import CORES, unknown_core

Value = TypeVar("Value")
Count = Annotated[int, Field(gt=0)]
Amount = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Confidence = Literal["R", "E", "C", "U"]


def _known_runtime(name: str) -> str:
    """The name itself. The table of runtimes lies in a room above; of it nothing but the names is loaded."""
    known = list(import_module("edgewright.runtimes.table").RUNTIMES)
    if name not in known:
        raise ValueError(f'"{name}" is not one of {", ".join(known)}; {nearest(name, known)}')
    return name


Runtime = Annotated[str, AfterValidator(_known_runtime)]
Clock = Literal["wall", "instructions"]
"""What a time is told by: the wall's clock, or on an emulated board one that counts instructions."""

CONFIDENCE = {
    "R": "read in a primary source",
    "E": "seen in an excerpt",
    "C": "computed from other facts",
    "U": "unverified",
}
NAME = r"^[a-z0-9][a-z0-9-]*$"
PEAK_TOLERANCE = 0.1
HIGHEST_CLOCK_MHZ = 7000
HOTTEST_C = 125
HIGHEST_BANDWIDTH_GB_S = 1000
_NO_CORE = {"max", "host"}


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Sourced(_Part, Generic[Value]):
    """A value, how sure it is, and its source; `highest` is the upper end where the source gives a range."""

    value: Value
    highest: Value | None = None
    confidence: Confidence
    source: Annotated[str, Field(min_length=1)]


class Cluster(_Part):
    """Cores of one kind, and which of the int8 instructions they have."""

    core: Sourced[str]
    cores: Sourced[Count]
    clock_mhz: Sourced[Count]
    dot_product: Sourced[bool]
    fp16: Sourced[bool]
    int8_peak_gops: Sourced[Amount]


class Processor(Cluster):
    """The fastest cluster, on which a model runs unless told otherwise, and the slower ones where cores are unlike.

    `features` are the flags of `/proc/cpuinfo` that kernels ask for.
    """

    features: Sourced[tuple[str, ...]] | None = None
    slower: tuple[Cluster, ...] = ()

    @property
    def clusters(self) -> tuple[Cluster, ...]:
        """The fastest first."""
        return (self, *self.slower)


class Caches(_Part):
    """Sizes in KiB, of the fastest cluster; `l2_cores` is how many cores share one L2. None is what is not known."""

    l1_data_kib: Sourced[Count] | None = None
    l2_kib: Sourced[Count] | None = None
    l2_cores: Sourced[Count] | None = None
    l3_kib: Sourced[Count] | None = None


class Memory(_Part):
    """Main memory; `usable_mb` is what Linux sees once the firmware has taken its share."""

    ram_mb: Sourced[Count]
    usable_mb: Sourced[Count] | None = None
    copy_bandwidth_gb_s: Sourced[Amount]


class Preferences(_Part):
    """How a model is shaped and run for this device: runtimes on offer, sizes kernels like, threads.

    `packages` are what those runtimes are installed or pushed as, with their versions.
    """

    runtimes: Annotated[tuple[Runtime, ...], Field(min_length=1)]
    packages: Sourced[tuple[str, ...]] | None = None
    int8_channel_multiple: Sourced[Count]
    int8_tile_rows: Sourced[Count] | None = None
    default_threads: Sourced[Count]


class Thermal(_Part):
    """Where the device slows itself down, and to what."""

    limit_c: Sourced[Count]
    clock_beyond_mhz: Sourced[Count] | None = None


class DefaultBudget(_Part):
    """What a model may take there where a recipe does not say."""

    peak_memory_mb: Sourced[Count]


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
    """Everything Edgewright knows about one kind of device; what it does not say it has from what it `extends`."""

    name: Annotated[str, Field(pattern=NAME)]
    title: str
    extends: str | None = None
    firmware_name: str | None = None
    processor: Processor
    caches: Caches = Caches()
    memory: Memory
    preferences: Preferences
    thermal: Thermal | None = None
    budget: DefaultBudget | None = None
    emulation: Emulation | None = None
    notes: tuple[str, ...] = ()

    def on_cluster(self, core: str) -> Profile:
        """The same device with a process pinned to its cores of one kind, whose caches are not known.

        Raises `UnknownNameError` where it has none of that kind.
        """
        clusters = {each.core.value.lower(): each for each in self.processor.clusters}
        if core.lower() not in clusters:
            raise UnknownNameError(f"cluster of {self.name}", core, [each.core.value for each in clusters.values()])
        chosen = clusters[core.lower()]
        if chosen is self.processor:
            return self
        pinned = Processor(**{name: getattr(chosen, name) for name in Cluster.model_fields})
        name = f"{self.name}-{chosen.core.value.lower()}"  # what was measured of the device was not measured there
        return self.model_copy(update={"name": name, "processor": pinned, "caches": Caches()})


def profile_names() -> tuple[str, ...]:
    """The names of the profiles that come with Edgewright, sorted."""
    return names_on(_shelf())


def find_profile(name_or_path: str | Path) -> Source:
    """A profile's text as it stands in its file. Raises `UnknownNameError` or `InputError`."""
    return find_source(name_or_path, kind="profile", shelf=_shelf())


def load_profile(name_or_path: str | Path) -> Profile:
    """Read a profile by name or path.

    Raises `UnknownNameError` with the nearest names, `InvalidFileError` with every fault of the file: what is missing
    or of the wrong kind, and what cannot be true.
    """
    source = find_profile(name_or_path)
    values = _extended(source, (source.name,))
    profile = validated(Profile, values, file=source.name, lines=key_lines(source.text))
    if faults := list(contradictions(profile)):
        lines = key_lines(source.text)
        raise InvalidFileError(source.name, [(place_of(where, lines), what) for where, what in faults])
    return profile


def facts_of(profile: Profile) -> list[tuple[str, Sourced[object]]]:
    """(place, fact) of every fact that has a mark, in the order of the schema."""
    return [(".".join(map(str, where)), fact) for where, fact in _facts(profile)]


def _extended(source: Source, seen: tuple[str, ...]) -> dict[str, object]:
    """A file's values over those of the profile it extends, fact by fact."""
    own = parsed_toml(source)
    parent = own.get("extends")
    if not isinstance(parent, str):
        return own
    inside = (source.folder or Path.cwd()) / parent
    above = find_profile(inside if parent.endswith(".toml") else parent)
    if above.name in seen:
        raise InvalidFileError(source.name, [("extends", f"leads back to {parent}; a profile cannot extend itself")])
    return _over(_extended(above, (*seen, above.name)), own)


def _over(below: Mapping[str, object], above: Mapping[str, object]) -> dict[str, object]:
    merged = dict(below)
    for key, value in above.items():
        under = merged.get(key)
        if isinstance(value, dict) and isinstance(under, dict) and "value" not in value:
            value = _over(under, value)
        merged[key] = value
    return merged


@dataclass(frozen=True, kw_only=True)
class _Order:
    """Two numbers of a profile, by their places, of which the first may not be above the second."""

    small: str
    large: str
    because: str


_ORDERS = (
    _Order(small="memory.usable_mb", large="memory.ram_mb", because="Linux cannot see more than there is"),
    _Order(small="caches.l1_data_kib", large="caches.l2_kib", because="a cache is no larger than the next one"),
    _Order(small="caches.l2_kib", large="caches.l3_kib", because="a cache is no larger than the next one"),
    _Order(small="emulation.ram_mb", large="memory.ram_mb", because="the virtual machine may not have more"),
    _Order(small="budget.peak_memory_mb", large="memory.ram_mb", because="a model cannot take more than there is"),
    _Order(small="thermal.clock_beyond_mhz", large="processor.clock_mhz", because="a hot device is not faster"),
)
_LIMITS = (
    ("thermal.limit_c", HOTTEST_C, "°C"),
    ("memory.copy_bandwidth_gb_s", HIGHEST_BANDWIDTH_GB_S, "GB/s"),
)


def contradictions(profile: Profile) -> Iterator[tuple[Location, str]]:
    """(place, sentence) of each fact that cannot be true, or not beside the others."""
    yield from _reversed_ranges(profile)
    for place, cluster in enumerate(profile.processor.clusters):
        yield from _of_core(("processor",) if place == 0 else ("processor", "slower", place - 1), cluster)
    yield from _of_processor(profile)
    for order in _ORDERS:
        small, large = _number(profile, order.small), _number(profile, order.large, highest=True)
        if small is not None and large is not None and small > large:
            yield tuple(order.small.split(".")), f"{small:g} is above {order.large}, {large:g}; {order.because}"
    for name, limit, unit in _LIMITS:
        value = _number(profile, name, highest=True)
        if value is not None and value > limit:
            yield tuple(name.split(".")), f"{value:g} {unit} is more than any device has; at most {limit:g}"


def _reversed_ranges(profile: Profile) -> Iterator[tuple[Location, str]]:
    for where, fact in _facts(profile):
        low, high = fact.value, fact.highest
        if isinstance(low, int | float) and isinstance(high, int | float) and high < low:
            yield where, f"highest is {high:g}, below value, {low:g}; write the lower end as value"


def _facts(part: BaseModel, where: Location = ()) -> Iterator[tuple[Location, Sourced[object]]]:
    for name in type(part).model_fields:
        value = getattr(part, name)
        if isinstance(value, Sourced):
            yield (*where, name), value
        elif isinstance(value, BaseModel):
            yield from _facts(value, (*where, name))
        elif isinstance(value, tuple):
            for place, each in enumerate(value):
                if isinstance(each, BaseModel):
                    yield from _facts(each, (*where, name, place))


def _of_core(where: Location, cluster: Cluster) -> Iterator[tuple[Location, str]]:
    """A cluster beside what its core's design says."""
    name, core = cluster.core.value, CORES.get(cluster.core.value)
    clock = cluster.clock_mhz
    if clock.value > HIGHEST_CLOCK_MHZ:
        yield (
            (*where, "clock_mhz"),
            f"{clock.value} MHz is above {HIGHEST_CLOCK_MHZ}, which no core runs at; is it kHz?",
        )
    if core is None:
        yield (*where, "core"), f"{name!r} {unknown_core(name)}"
        return
    for feature, fact, has in (
        ("dot_product", cluster.dot_product, core.dot_product),
        ("fp16", cluster.fp16, core.fp16),
    ):
        # A generic x86-64 machine may have either; of Arm's cores the design decides.
        if fact.value != has and name != "x86-64":
            yield (*where, feature), f"is {str(fact.value).lower()}, but every {name} {'has' if has else 'lacks'} it"
    gops = cluster.int8_peak_gops
    lowest, highest = (
        core.int8_operations_per_cycle * each / 1000 for each in (clock.value, clock.highest or clock.value)
    )
    within = lowest * (1 - PEAK_TOLERANCE) <= gops.value <= highest * (1 + PEAK_TOLERANCE)
    if not within and name != "x86-64":
        yield (
            (*where, "int8_peak_gops"),
            f"{gops.value:g} does not follow from {core.int8_operations_per_cycle} operations a cycle of a {name} at "
            f"{clock.value} MHz, which make {lowest:.3g}",
        )


def _of_processor(profile: Profile) -> Iterator[tuple[Location, str]]:
    processor, emulation = profile.processor, profile.emulation
    features = processor.features.value if processor.features else None
    if (
        features is not None
        and processor.core.value != "x86-64"
        and ("asimddp" in features) != processor.dot_product.value
    ):
        yield ("processor", "features"), "and dot_product contradict each other: its flag is asimddp"
    for place, cluster in enumerate(processor.slower):
        if cluster.int8_peak_gops.value > processor.int8_peak_gops.value:
            yield (
                ("processor", "slower", place),
                f"{cluster.core.value} is faster than {processor.core.value}; the fastest cluster comes first",
            )
    cores = sum(cluster.cores.value for cluster in processor.clusters)
    for where, count in (
        (("preferences", "default_threads"), profile.preferences.default_threads.value),
        (("caches", "l2_cores"), profile.caches.l2_cores.value if profile.caches.l2_cores else 1),
        (("emulation", "cpus"), emulation.cpus if emulation else 1),
    ):
        if count > cores:
            yield where, f"{count} is more than the {cores} cores there are"
    core = CORES.get(processor.core.value)
    if emulation and core and emulation.cpu != core.emulated_as:
        wanted = f"{core.emulated_as!r}" if core.emulated_as else "left out, as QEMU has no such core"
        yield (
            ("emulation", "cpu"),
            f"{emulation.cpu!r} does not stand for a {processor.core.value}; it must be {wanted}",
        )


def _number(profile: Profile, place: str, *, highest: bool = False) -> float | None:
    part: object = profile
    for name in place.split("."):
        part = getattr(part, name, None)
    if isinstance(part, Sourced):
        part = part.highest if highest and part.highest is not None else part.value
    return float(part) if isinstance(part, int | float) else None


def _shelf() -> Traversable:
    return files("edgewright.profiles")
