"""Find out what a machine is: facts and speeds measured there, and which known device they are those of.

In:  a machine of the inventory, or an address.
Out: `ProbedTarget`: facts, speeds, the devices it may be, and whether it is the one it claims to be.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass

from edgewright.base.json_values import JsonObject
from edgewright.base.progress import Progress, Silent
from edgewright.devices.inventory import NamedTarget
from edgewright.devices.known_device import Match, identify, match_with, warnings
from edgewright.specs.profiles import load_profile, profile_names
from edgewright.targets import open_target
from edgewright.targets.device_store.lease import leased
from edgewright.targets.facts import read_facts
from edgewright.targets.identity import IDENTITY
from edgewright.targets.speed import Speeds, measure_speeds


@dataclass(frozen=True, kw_only=True)
class ProbedTarget:
    """What was found; `claimed` compares the machine with the profile it claims, where it claims one."""

    machine: NamedTarget
    address: str
    facts: JsonObject
    speeds: Speeds | None
    matches: tuple[Match, ...]
    claimed: Match | None
    warnings: tuple[str, ...]

    @property
    def as_claimed(self) -> bool:
        """Whether it is what it claims, in everything that it tells; so is a machine that claims nothing."""
        return self.claimed is None or not self.claimed.differences

    def document(self) -> JsonObject:
        """What `edgewright target probe --json` prints."""
        return {
            "name": self.machine.name,
            "target": self.address,
            "profile": self.matches[0].profile if self.matches else None,
            "matches": [match.document() for match in self.matches],
            "claimed": self.claimed.document() if self.claimed else None,
            "as_claimed": self.as_claimed,
            "warnings": list(self.warnings),
            "speeds": asdict(self.speeds) if self.speeds else None,
            "facts": self.facts,
        }


def probe(
    machine: NamedTarget, *, speeds: bool = True, wait_s: float = 0.0, progress: Progress | None = None
) -> ProbedTarget:
    """Connect, ask and compare; with `speeds` also measure storage and link, under a lease, for it takes the device up.

    Raises `InputError` for a claimed profile that cannot be read, `TargetError` for the machine.
    """
    told = progress or Silent()
    claimed = load_profile(machine.profile) if machine.profile else None
    known = {name: load_profile(name) for name in profile_names()} | ({claimed.name: claimed} if claimed else {})
    with told.stage(f"connect to {machine.address}"):
        target = open_target(machine.address)
    try:
        with told.stage("read facts"):
            facts = read_facts(target, IDENTITY)
        measured = None
        if speeds:
            with told.stage("measure storage and link"), leased(target, "probe", wait_s=wait_s):
                measured = measure_speeds(target)
    finally:
        target.close()
    return ProbedTarget(
        machine=machine,
        address=target.address,
        facts=facts,
        speeds=measured,
        matches=identify(facts, known.values()),
        claimed=match_with(facts, claimed) if claimed else None,
        warnings=warnings(facts),
    )
