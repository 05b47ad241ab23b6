"""Whether a device's free memory holds an artifact that generates, with the cache for its whole context.

In:  an open target, and what a bundle says of the artifact.
Out: nothing, or a refusal with the largest context that fits. What a context takes is of `cost.context_memory`.
"""

from __future__ import annotations

from edgewright.base.fields import Fields
from edgewright.bundles.schema import ArtifactFacts
from edgewright.cost.context_memory import ContextMemory
from edgewright.targets.base import Target
from edgewright.targets.facts import MACHINE, read_facts


def require_room(target: Target, artifact: ArtifactFacts) -> None:
    """Refuse a cache that the device's free memory cannot hold beside the artifact; one that does not tell has room.

    Raises `InputError` with the largest context that fits.
    """
    plan = artifact.signature.generation
    if plan is None:
        return
    free = Fields(read_facts(target, {"free": MACHINE["ram_available_bytes"]})).number("free")
    if free is not None:
        memory = ContextMemory.of_file(artifact.signature, artifact.bytes)
        memory.require_room(plan.context, free, device=target.address)
