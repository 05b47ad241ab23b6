"""Facts of a profile that cannot be true, or not beside each other.

In:  a `Profile`.
Out: the place of each such fact, and a sentence that says why.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from edgewright.base.untrusted import Location
from edgewright.specs.microarchitectures import CORES, unknown_core
from edgewright.specs.profiles.fact import Sourced
from edgewright.specs.profiles.processor import Cluster
from edgewright.specs.profiles.profile import Profile, facts_in

PEAK_TOLERANCE = 0.1
HIGHEST_CLOCK_MHZ = 7000
HOTTEST_C = 125
HIGHEST_BANDWIDTH_GB_S = 1000


@dataclass(frozen=True, kw_only=True)
class _Order:
    """Two numbers of a profile, by their places, of which the first may not be above the second."""

    lower: str
    upper: str
    because: str


_ORDERS = (
    _Order(lower="memory.usable_mb", upper="memory.ram_mb", because="Linux cannot see more than there is"),
    _Order(lower="caches.l1_data_kib", upper="caches.l2_kib", because="a cache is no larger than the next one"),
    _Order(lower="caches.l2_kib", upper="caches.l3_kib", because="a cache is no larger than the next one"),
    _Order(lower="emulation.ram_mb", upper="memory.ram_mb", because="the virtual machine may not have more"),
    _Order(lower="budget.peak_memory_mb", upper="memory.ram_mb", because="a model cannot take more than there is"),
    _Order(lower="thermal.clock_beyond_mhz", upper="processor.clock_mhz", because="a hot device is not faster"),
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
        lower, upper = _number(profile, order.lower), _number(profile, order.upper, highest=True)
        if lower is not None and upper is not None and lower > upper:
            yield tuple(order.lower.split(".")), f"{lower:g} is above {order.upper}, {upper:g}; {order.because}"
    for name, limit, unit in _LIMITS:
        value = _number(profile, name, highest=True)
        if value is not None and value > limit:
            yield tuple(name.split(".")), f"{value:g} {unit} is more than any device has; at most {limit:g}"


def _reversed_ranges(profile: Profile) -> Iterator[tuple[Location, str]]:
    for where, fact in facts_in(profile):
        low, high = fact.value, fact.highest
        if isinstance(low, int | float) and isinstance(high, int | float) and high < low:
            yield where, f"highest is {high:g}, below value, {low:g}; write the lower end as value"


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
        core.int8_operations_per_cycle * mhz / 1000 for mhz in (clock.value, clock.highest or clock.value)
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
