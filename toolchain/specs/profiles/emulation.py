"""The section [emulation]: the virtual machine that stands in for the device, and the clocks there are."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator

from edgewright.specs.profiles.fact import Count, ProfileSection, field

Clock = Literal["wall", "instructions"]
"""What times are measured by: the wall's clock, or on an emulated board one that counts instructions."""

_NO_CORE = {"max", "host"}


def _a_real_core(cpu: str) -> str:
    if cpu in _NO_CORE:
        raise ValueError(f"{cpu!r} is no device's core and gives other results; name one such as cortex-a72")
    return cpu


class Emulation(ProfileSection):
    """The virtual machine that stands in for the device; never the device's speed."""

    machine: Literal["virt"] = field("QEMU's machine.", default="virt")
    cpu: Annotated[str, AfterValidator(_a_real_core)] = field(
        "QEMU's model of the device's own core, or of one with the same int8 instructions where QEMU has none of that "
        "design; `max` is refused, for it is no device and gave wrong results."
    )
    ram_mb: Count = field("Memory of the virtual machine; it may be less than the board's.", unit="MiB")
    cpus: Count = field("Cores of the virtual machine; one where the instruction clock is asked for.", unit="cores")
