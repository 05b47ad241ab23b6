"""The section [caches]: the caches of the fastest cluster."""

from __future__ import annotations

from edgewright.specs.profiles.fact import Count, ProfileSection, Sourced, field


class Caches(ProfileSection):
    """Caches of the fastest cluster; what is left out is not there, or not known."""

    l1_data_kib: Sourced[Count] | None = field("First-level data cache of one core.", unit="KiB", default=None)
    l2_kib: Sourced[Count] | None = field("One second-level cache.", unit="KiB", default=None)
    l2_cores: Sourced[Count] | None = field("Cores that share a second-level cache.", unit="cores", default=None)
    l3_kib: Sourced[Count] | None = field("Third-level cache.", unit="KiB", default=None)
