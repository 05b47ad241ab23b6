"""The section [processor]: the device's cores, of one kind or of several."""

from __future__ import annotations

from edgewright.specs.profiles.fact import Amount, Count, ProfileSection, Sourced, field


class Cluster(ProfileSection):
    """Cores of one kind, and which of the int8 instructions they have."""

    core: Sourced[str] = field(
        "The core's name, one of those whose design is known; `CPU part` of `/proc/cpuinfo` says which it is."
    )
    cores: Sourced[Count] = field("Cores of that kind.", unit="cores")
    clock_mhz: Sourced[Count] = field(
        "Full clock without overclocking; `vcgencmd measure_clock arm` under load.", unit="MHz"
    )
    dot_product: Sourced[bool] = field("Int8 dot product: the flag `asimddp` of `/proc/cpuinfo`.")
    fp16: Sourced[bool] = field("Half-precision arithmetic: the flags `fphp` and `asimdhp`.")
    int8_peak_gops: Sourced[Amount] = field(
        "Of one core: operations a cycle × clock (16 with NEON alone, 64 with the dot product and two pipes).",
        unit="10⁹ operations a second",
    )


class Processor(Cluster):
    """The fastest cluster, on which a model runs where it is not pinned elsewhere, and the slower ones.

    `features` are the flags of `/proc/cpuinfo` that kernels ask for.
    """

    features: Sourced[tuple[str, ...]] | None = field(
        "The flags of `/proc/cpuinfo` that kernels ask for.", default=None
    )
    slower: tuple[Cluster, ...] = field("Where cores are unlike: the other clusters, the fastest first.", default=())

    @property
    def clusters(self) -> tuple[Cluster, ...]:
        """The fastest first."""
        return (self, *self.slower)
