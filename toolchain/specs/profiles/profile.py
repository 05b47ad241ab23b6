"""A profile: everything Edgewright knows about one kind of device."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated

from pydantic import BaseModel, Field

from edgewright.base.untrusted import Location
from edgewright.errors import UnknownNameError
from edgewright.specs.profiles.cache_sizes import Caches
from edgewright.specs.profiles.default_budget import DefaultBudget
from edgewright.specs.profiles.emulation import Emulation
from edgewright.specs.profiles.fact import ProfileSection, Sourced, field
from edgewright.specs.profiles.memory import Memory
from edgewright.specs.profiles.preferences import Preferences
from edgewright.specs.profiles.processor import Cluster, Processor
from edgewright.specs.profiles.thermal import Thermal

NAME = r"^[a-z0-9][a-z0-9-]*$"


class Profile(ProfileSection):
    """Everything Edgewright knows about one kind of device; what it does not say it has from what it `extends`."""

    name: Annotated[str, Field(pattern=NAME)] = field(
        "The profile's name and its file's: lower-case letters, digits and dashes."
    )
    title: str = field("The product's name, with its memory where it is sold in several sizes.")
    extends: str | None = field(
        "The profile whose facts hold where this one says nothing: a built-in one's name, or a file beside this one.",
        default=None,
    )
    firmware_name: str | None = field(
        "How `/proc/device-tree/model` begins on this device; `edgewright target probe` knows it by that.", default=None
    )
    processor: Processor
    caches: Caches = Caches()
    memory: Memory
    preferences: Preferences
    thermal: Thermal | None = None
    budget: DefaultBudget | None = None
    emulation: Emulation | None = None
    notes: tuple[str, ...] = field(
        "What a person should know before trusting a measurement, each with its confidence.", default=()
    )

    def on_cluster(self, core: str) -> Profile:
        """The same device with a process pinned to its cores of one kind, whose caches are not known.

        Raises `UnknownNameError` where it has none of that kind.
        """
        clusters = {cluster.core.value.lower(): cluster for cluster in self.processor.clusters}
        if core.lower() not in clusters:
            names = [cluster.core.value for cluster in clusters.values()]
            raise UnknownNameError(f"cluster of {self.name}", core, names)
        chosen = clusters[core.lower()]
        if chosen is self.processor:
            return self
        pinned = Processor(**{name: getattr(chosen, name) for name in Cluster.model_fields})
        name = f"{self.name}-{chosen.core.value.lower()}"  # what was measured of the device was not measured there
        return self.model_copy(update={"name": name, "processor": pinned, "caches": Caches()})


def facts_of(profile: Profile) -> list[tuple[str, Sourced[object]]]:
    """(place, fact) of every fact that has a mark, in the order of the schema."""
    return [(".".join(map(str, where)), fact) for where, fact in facts_in(profile)]


def facts_in(part: BaseModel, where: Location = ()) -> Iterator[tuple[Location, Sourced[object]]]:
    """(place, fact) of every fact of a section and of those inside it."""
    for name in type(part).model_fields:
        value = getattr(part, name)
        if isinstance(value, Sourced):
            yield (*where, name), value
        elif isinstance(value, BaseModel):
            yield from facts_in(value, (*where, name))
        elif isinstance(value, tuple):
            for place, item in enumerate(value):
                if isinstance(item, BaseModel):
                    yield from facts_in(item, (*where, name, place))
