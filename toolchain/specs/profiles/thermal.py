"""The section [thermal]: where the device slows itself down."""

from __future__ import annotations

from edgewright.specs.profiles.fact import Count, ProfileSection, Sourced, field


class Thermal(ProfileSection):
    """Where the device slows itself down, and to what."""

    limit_c: Sourced[Count] = field("Where the firmware begins to slow the cores down.", unit="°C")
    clock_beyond_mhz: Sourced[Count] | None = field(
        "The clock beyond that limit, where it is one step.", unit="MHz", default=None
    )
