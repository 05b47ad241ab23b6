"""The devices somebody has, by name: an inventory in TOML, with groups of them.

In:  `targets.toml`: where `EDGEWRIGHT_TARGETS` says, else in the working directory, else in the user's configuration.
Out: `Inventory`: an address for a name, several for a group. Reaching them is `targets`' concern.

    [targets.kitchen]
    address = "ssh://pi@kitchen.local"
    folder = "/mnt/data"               # ssh only: where Edgewright may write there, if not in the home directory
    profile = "raspberry-pi-4"         # what it claims to be; `edgewright target probe kitchen` compares

    [groups]
    lab = ["kitchen", "attic"]
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated
from urllib.parse import quote

from platformdirs import user_config_path
from pydantic import BaseModel, ConfigDict, Field

from edgewright.base.places import expanded
from edgewright.base.reading import Source, read_toml
from edgewright.base.redacted import holds_secret
from edgewright.base.untrusted import Location
from edgewright.errors import InputError, UnknownNameError, nearest
from edgewright.specs.profiles import profile_names
from edgewright.targets import NO_SECRETS, SCHEMES, refuse_secrets

VARIABLE = "EDGEWRIGHT_TARGETS"
FILE = "targets.toml"
EVERYTHING = "all"  # the group nobody needs to write down

Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")]


@dataclass(frozen=True, kw_only=True)
class NamedTarget:
    """A device as it is asked for: its name (an address serves as one), its address, and the profile it claims."""

    name: str
    address: str
    profile: str | None = None


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class InventoryEntry(_Part):
    """One device of the file."""

    address: str
    folder: str | None = None
    profile: str | None = None


class Inventory(_Part):
    """All devices of a file, and its groups."""

    targets: Mapping[Name, InventoryEntry] = {}
    groups: Mapping[Name, Annotated[tuple[str, ...], Field(min_length=1)]] = {}

    def machine(self, name: str) -> NamedTarget:
        """One device by its name."""
        entry = self.targets[name]
        address = entry.address
        if entry.folder is not None:
            address += f"{'&' if '?' in address else '?'}folder={quote(entry.folder)}"
        return NamedTarget(name=name, address=address, profile=entry.profile)

    def groups_of(self, name: str) -> tuple[str, ...]:
        """The groups a device belongs to."""
        return tuple(group for group, members in self.groups.items() if name in members)


@dataclass(frozen=True, kw_only=True)
class ChosenTargets:
    """What `--target` stands for: one device, or all of a group."""

    given: str
    machines: tuple[NamedTarget, ...]
    is_group: bool

    @property
    def only(self) -> NamedTarget:
        """The one device. Raises `InputError` for a group."""
        if self.is_group:
            names = ", ".join(machine.name for machine in self.machines)
            raise InputError(f"{self.given} is a group ({names}); name one device of it")
        return self.machines[0]


def find_target(given: str) -> ChosenTargets:
    """What an address, a device's name or a group's stands for; the inventory is read only where it is a name.

    Raises `UnknownNameError`, or `InvalidFileError` with every fault of the inventory.
    """
    if ":" in given:
        refuse_secrets(given)
        return ChosenTargets(given=given, machines=(NamedTarget(name=given, address=given),), is_group=False)
    inventory = load_inventory()
    if given in inventory.targets:
        return ChosenTargets(given=given, machines=(inventory.machine(given),), is_group=False)
    members = inventory.groups.get(given, tuple(inventory.targets) if given == EVERYTHING else ())
    if not members:
        known = (*inventory.targets, *inventory.groups, *(f"{scheme}:" for scheme in SCHEMES))
        raise UnknownNameError(f"target or group in {inventory_file()}", given, known)
    return ChosenTargets(given=given, machines=tuple(inventory.machine(name) for name in members), is_group=True)


def load_inventory() -> Inventory:
    """The inventory; an empty one where there is no file and none was asked for by `EDGEWRIGHT_TARGETS`."""
    file = inventory_file()
    if not file.is_file():
        if os.environ.get(VARIABLE):
            raise InputError(f"there is no file {file}; {VARIABLE} says that the inventory lies there")
        return Inventory()
    try:
        text = file.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"the inventory {file} cannot be read ({error}); it should be UTF-8 text") from error
    return read_toml(Source(name=str(file), text=text, folder=file.parent), Inventory, also=_faults)


def inventory_file() -> Path:
    """Where the inventory lies, or would."""
    if named := os.environ.get(VARIABLE):
        return expanded(Path(named))
    here = Path(FILE)
    try:
        return here.absolute() if here.is_file() else user_config_path("edgewright", appauthor=False) / FILE
    except RuntimeError:  # this user has no home
        return here.absolute()


def _faults(values: Mapping[str, object]) -> list[tuple[Location, str]]:
    """What no field sees by itself: addresses, profiles and members that stand for nothing, one name for two things."""
    targets, groups = _section(values, "targets"), _section(values, "groups")
    return [*_target_faults(targets), *_group_faults(groups, targets)]


def _section(values: Mapping[str, object], name: str) -> Mapping[str, object]:
    found = values.get(name)
    return found if isinstance(found, dict) else {}


def _target_faults(targets: Mapping[str, object]) -> Iterable[tuple[Location, str]]:
    profiles = profile_names()
    for name, entry in targets.items():
        if name == EVERYTHING:
            yield ("targets", name), "is the name of the group of all devices; choose another"
        if not isinstance(entry, dict):
            continue
        address, profile = entry.get("address"), entry.get("profile")
        if isinstance(address, str):
            scheme, colon, _ = address.partition(":")
            if holds_secret(address):
                yield ("targets", name, "address"), NO_SECRETS
            elif not colon:
                yield ("targets", name, "address"), f"{address!r} is no address; write local:, ssh://user@host or such"
            elif scheme not in SCHEMES:
                yield ("targets", name, "address"), f"begins with {scheme!r}; {nearest(scheme, sorted(SCHEMES))}"
        if (folder := entry.get("folder")) is not None and isinstance(address, str) and isinstance(folder, str):
            if not address.startswith("ssh:"):
                yield ("targets", name, "folder"), "is for ssh:// addresses only; leave it out"
            elif not folder.startswith("/") or not folder.isprintable() or ".." in folder.split("/"):
                yield ("targets", name, "folder"), "must be an absolute path without .."
        if isinstance(profile, str) and profile not in profiles and not profile.endswith(".toml"):
            yield ("targets", name, "profile"), f"there is no profile {profile!r}; {nearest(profile, profiles)}"


def _group_faults(groups: Mapping[str, object], targets: Mapping[str, object]) -> Iterable[tuple[Location, str]]:
    for name, members in groups.items():
        if name in targets:
            yield ("groups", name), "is the name of a target too; choose another"
        if name == EVERYTHING:
            yield ("groups", name), "is the group of all devices already; leave it out"
        for member in members if isinstance(members, list) else ():
            if isinstance(member, str) and member not in targets:
                yield ("groups", name), f"{member!r} is no target of this file; {nearest(member, sorted(targets))}"
