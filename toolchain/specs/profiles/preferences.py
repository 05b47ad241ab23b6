"""The section [preferences]: how a model is shaped and run for the device."""

from __future__ import annotations

from importlib import import_module
from typing import Annotated

from pydantic import AfterValidator, Field

from edgewright.errors import nearest
from edgewright.specs.profiles.fact import Count, ProfileSection, Sourced, field


def _known_runtime(name: str) -> str:
    """The name itself. The table of runtimes lies in a room above; of it nothing but the names is loaded."""
    known = list(import_module("edgewright.runtimes.table").RUNTIMES)
    if name not in known:
        raise ValueError(f'"{name}" is not one of {", ".join(known)}; {nearest(name, known)}')
    return name


Runtime = Annotated[str, AfterValidator(_known_runtime)]


class Preferences(ProfileSection):
    """How a model is shaped and run for this device: runtimes on offer, sizes that kernels like, threads."""

    runtimes: Annotated[tuple[Runtime, ...], Field(min_length=1)] = field("Runtimes Edgewright can run there.")
    packages: Sourced[tuple[str, ...]] | None = field(
        "What those runtimes are installed or pushed as, with their versions.", default=None
    )
    int8_channel_multiple: Sourced[Count] = field(
        "Sizes that pruning keeps are rounded to a multiple of this, so that no kernel computes padding.",
        unit="channels",
    )
    int8_tile_rows: Sourced[Count] | None = field(
        "How many rows (tokens, pixels) int8 kernels compute together: a text of one more costs a tile more.",
        unit="rows",
        default=None,
    )
    default_threads: Sourced[Count] = field("Threads that a measurement uses where none are given.", unit="threads")
