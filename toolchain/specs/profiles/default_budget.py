"""The section [budget]: what a model may take on the device where a recipe sets no limit."""

from __future__ import annotations

from edgewright.specs.profiles.fact import Count, ProfileSection, Sourced, field


class DefaultBudget(ProfileSection):
    """What a model may take there where a recipe sets no limit."""

    peak_memory_mb: Sourced[Count] = field(
        "Peak memory of the process that runs the model; `edgewright predict` says whether a bundle keeps to it.",
        unit="MB",
    )
