"""The ranges outside of which a number from a device is no measurement, wherever it is read, kept or read again.

In:  numbers that a runner printed, or that a file holds which was written of such.
Out: annotated types for pydantic, which refuse what cannot be; readings of sensors, which are dropped instead: a board
     with a broken thermometer is measured all the same, and its temperature is one that it does not tell.
"""

import math
from collections.abc import Mapping
from typing import Annotated, TypeVar

from pydantic import AfterValidator, BeforeValidator, Field

Told = TypeVar("Told")

SHORTEST_MS, LONGEST_MS = 1e-6, 86.4e6  # a nanosecond, the least a clock tells; a day, the longest a job may take
LEAST_PEAK_BYTES, MOST_BYTES = 4096, 1 << 50  # a page; a thousand times what any machine has
LONGEST_S = 1e7
MOST_JOULES = 1e9
MOST_COUNT = 1 << 53
MOST_THREADS = 1024
LONGEST_INPUT = 1 << 20
COLDEST_C, HOTTEST_C = -60.0, 250.0
SLOWEST_KHZ, FASTEST_KHZ = 1.0, 2e7
FACTS = {  # of a machine, by the names that its facts have
    "cores": (1, 4096),
    "ram_bytes": (1 << 20, MOST_BYTES),
    "ram_available_bytes": (0, MOST_BYTES),
    "swap_used_bytes": (0, MOST_BYTES),
    "memory_limit_bytes": (4096, MOST_BYTES),
    "clock_mhz": (1, 20_000),
    "clock_max_mhz": (1, 20_000),
    "clock_firmware_mhz": (1, 20_000),
    "temperature_c": (COLDEST_C, HOTTEST_C),
    "load_1min": (0, 1e6),
    "uptime_s": (0, 1e10),
    "busy_s": (0, 1e13),
}


def milliseconds(value: float) -> float:
    """A time as it is. Raises `ValueError` for one that nothing takes; 0 is what a coarse clock says of a short one."""
    if value == 0 or SHORTEST_MS <= value <= LONGEST_MS:
        return value
    raise ValueError(f"{value:.3g} ms is no time that a device can measure ({SHORTEST_MS:g} to {LONGEST_MS:g} ms)")


def fact(name: str, value: Told) -> Told | None:
    """A fact as a machine states it; None where no machine is like that, as where it states none."""
    return within(value, *FACTS[name]) if name in FACTS else value


def within(value: Told, least: float, most: float) -> Told | None:
    """A value as it is; None where it is a number out of these bounds."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return value
    return value if least <= value <= most else None


def _peak(value: int) -> int:
    if LEAST_PEAK_BYTES <= value <= MOST_BYTES:
        return value
    raise ValueError(f"no process has {value:.3g} bytes of memory ({LEAST_PEAK_BYTES} to {MOST_BYTES:.1e} may be)")


def _sensor(least: float, most: float) -> BeforeValidator:
    """What a sensor says, None where it is none of its kind's readings; anything but a number is left to be refused."""

    def reading(value: object) -> object:
        return within(value, least, most)

    return BeforeValidator(reading)


def _told_joules(sources: object) -> object:
    """Without the meters that count what none can: backwards, or more than a power station gives."""
    if not isinstance(sources, list | tuple):
        return sources
    return [each for each in sources if not isinstance(each, Mapping) or _is_energy(each.get("joules", 0))]


def _is_energy(joules: object) -> bool:
    return not isinstance(joules, int | float) or (math.isfinite(joules) and 0 <= joules <= MOST_JOULES)


Milliseconds = Annotated[float, Field(allow_inf_nan=False), AfterValidator(milliseconds)]
SomeMilliseconds = Annotated[float, Field(ge=SHORTEST_MS, le=LONGEST_MS)]
Bytes = Annotated[int, Field(ge=-1, le=MOST_BYTES)]  # -1: the kernel did not say
Peak = Annotated[int, AfterValidator(_peak)]
Seconds = Annotated[float, Field(ge=0, le=LONGEST_S)]
ClockDifference = Annotated[float, Field(ge=-LONGEST_S, le=LONGEST_S)]  # of counters that a kernel may set back
PlausibleCount = Annotated[int, Field(ge=0, le=MOST_COUNT)]
Threads = Annotated[int, Field(ge=1, le=MOST_THREADS)]
PlausibleLength = Annotated[int, Field(ge=0, le=LONGEST_INPUT)]
GigabytesPerSecond = Annotated[float, Field(ge=1e-4, le=1e5)]
Kilohertz = Annotated[float | None, _sensor(SLOWEST_KHZ, FASTEST_KHZ)]
Millidegrees = Annotated[float | None, _sensor(1000 * COLDEST_C, 1000 * HOTTEST_C)]
ToldJoules = BeforeValidator(_told_joules)
