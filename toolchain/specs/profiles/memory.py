"""The section [memory]: main memory, and how fast it is."""

from __future__ import annotations

from edgewright.specs.profiles.fact import Amount, Count, ProfileSection, Sourced, field


class Memory(ProfileSection):
    """Main memory, and how fast it is copied."""

    ram_mb: Sourced[Count] = field("Main memory.", unit="MiB")
    usable_mb: Sourced[Count] | None = field(
        "`MemTotal` of `/proc/meminfo`: what is left once the firmware has taken its share.", unit="MiB", default=None
    )
    copy_bandwidth_gb_s: Sourced[Amount] = field(
        "Memory copy by one core, over a block far larger than the caches.", unit="GB/s"
    )
