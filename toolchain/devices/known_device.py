"""Which known device a machine is, and how it differs from what the device's profile says.

In:  the facts of a machine (`targets.identity.IDENTITY`), profiles.
Out: `Match`es, the likeliest first, each with every difference in words; and what in the machine's state is worth a
     warning. A fact that a machine does not tell is no difference.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

from packaging.version import Version

from edgewright.base.fields import Fields
from edgewright.base.json_values import JsonObject
from edgewright.errors import InputError
from edgewright.runtimes.descriptor import Provider
from edgewright.runtimes.python_device import ARMHF
from edgewright.runtimes.table import RUNTIMES, runtimes_that
from edgewright.specs.profiles import Profile, load_profile

HOST_PROFILE = "x86-64"  # of this machine, where nobody names another
CLOCK_TOLERANCE = 0.02  # kernels round, and crystals are not exact
FIRMWARE_TOLERANCE = 0.1
VIRTUAL_BOARD = "linux,dummy-virt"  # what an emulated board's firmware says: nothing of the board it stands for
MIB = 1 << 20
# Sizes memory is sold in: a power of two, or one and a half of one. What Linux sees of it is a little less.
SOLD_MB = sorted(size for power in range(8, 18) for size in (1 << power, 3 << power - 1))


@dataclass(frozen=True, kw_only=True)
class Match:
    """A device the machine may be; `sure` where its firmware says so, rather than its cores alone."""

    profile: str
    title: str
    sure: bool
    differences: tuple[str, ...]

    def document(self) -> JsonObject:
        """As `edgewright target probe --json` prints it."""
        return {
            "profile": self.profile,
            "title": self.title,
            "sure": self.sure,
            "differences": list(self.differences),
        }


def profile_for(address: str, profile: str | None) -> str:
    """The name of the profile a target is calibrated for, or measured against, where its address or the user says so.

    Raises `InputError` where neither does.
    """
    if profile is not None:
        return load_profile(profile).name
    scheme, _, rest = address.partition(":")
    if scheme == "local":
        return HOST_PROFILE
    if scheme == "emulated":
        return load_profile(rest.removeprefix("//")).name
    raise InputError(f"{address} may be any device; name its profile with --profile")


def measured_profile(address: str, built_for: str) -> str:
    """The name of the profile a measurement is compared with: of a device at any other address the bundle's own."""
    scheme, _, _ = address.partition(":")
    return profile_for(address, None) if scheme in ("local", "emulated") else built_for


def identify(facts: JsonObject, profiles: Iterable[Profile]) -> tuple[Match, ...]:
    """The devices this machine may be, the likeliest first; none where no profile has its name or its cores.

    One that the firmware names comes before those with the same cores, and among those the one that differs least.
    """
    found = [match_with(facts, profile) for profile in profiles if _is_candidate(Fields(facts), profile)]
    if any(match.sure for match in found):
        found = [match for match in found if match.sure]
    return tuple(sorted(found, key=lambda match: (len(match.differences), match.profile)))


def match_with(facts: JsonObject, profile: Profile) -> Match:
    """How the machine compares with one profile, whether or not it looks like that device."""
    known = Fields(facts)
    sure = _is_named(known, profile)
    unlike = () if sure or known.text("board") in (None, VIRTUAL_BOARD) else tuple(_other_board(known, profile))
    differences = (
        *unlike,
        *_cores(known, profile),
        *_clocks(known, profile),
        *_memory(ram_mb(facts), profile),
        *_instructions(known, profile),
        *_caches(known, profile),
    )
    return Match(profile=profile.name, title=profile.title, sure=sure, differences=differences)


def warnings(facts: JsonObject) -> tuple[str, ...]:
    """What in the machine's state or system would spoil a measurement, or keep a runtime from running there."""
    return (*_system(Fields(facts)), *_state(Fields(facts)))


def ram_mb(facts: JsonObject) -> int | None:
    """The memory the machine was sold with: as its firmware says, or the size a little above what Linux sees."""
    if sold := Fields(facts).count("sold_ram_bytes"):
        return sold // MIB
    seen = Fields(facts).count("ram_bytes")
    return next((size for size in SOLD_MB if size * MIB >= seen), None) if seen else None


def _is_candidate(facts: Fields, profile: Profile) -> bool:
    return _is_named(facts, profile) or set(facts.inner("core_kinds").values) == set(_kinds(profile))


def _is_named(facts: Fields, profile: Profile) -> bool:
    return bool(profile.firmware_name) and (facts.text("board") or "").startswith(str(profile.firmware_name))


def _other_board(facts: Fields, profile: Profile) -> Iterator[str]:
    if profile.firmware_name:
        yield f"its firmware calls it {facts.text('board')}, not {profile.firmware_name}"


def _cores(facts: Fields, profile: Profile) -> Iterator[str]:
    kinds, expected = facts.inner("core_kinds").values, _kinds(profile)
    if kinds and set(kinds) != set(expected):
        yield f"its cores are {' and '.join(kinds)}, not {' and '.join(expected)}"
    count, of = facts.count("cores"), sum(expected.values())
    if count and count != of:
        yield f"{count} {'core is' if count == 1 else 'cores are'} on, not {of}"


def _kinds(profile: Profile) -> dict[str, int]:
    """How many cores it has of each kind, the fastest first."""
    return {each.core.value: each.cores.value for each in profile.processor.clusters}


def _clocks(facts: Fields, profile: Profile) -> Iterator[str]:
    expected = profile.processor.clock_mhz
    clocks = [clock for name in ("clock_max_mhz", "clock_limit_mhz") if (clock := facts.number(name))]
    if not clocks:
        return
    clock = min(clocks)
    if clock < expected.value * (1 - CLOCK_TOLERANCE):
        less = 100 * (1 - clock / expected.value)
        yield f"it clocks at most {clock} MHz, {less:.0f} % below the {expected.value} MHz of the profile"
    highest = expected.highest or expected.value
    if clock > highest * (1 + CLOCK_TOLERANCE):
        yield f"it clocks up to {clock} MHz, above the {highest} MHz of the profile: it is over-clocked"


def _memory(size: int | None, profile: Profile) -> Iterator[str]:
    expected = profile.memory.ram_mb
    if size is not None and not expected.value <= size <= (expected.highest or expected.value):
        yield f"it has {_sold(size)} of memory, not {_sold(expected.value)}"


def _sold(megabytes: int) -> str:
    return f"{megabytes / 1024:g} GB" if megabytes >= 1024 else f"{megabytes} MB"


def _instructions(facts: Fields, profile: Profile) -> Iterator[str]:
    features = facts.texts("cpu_features")
    if not features or facts.text("arch") not in (None, "aarch64"):  # a 32-bit kernel does not list them all
        return
    wanted: Sequence[tuple[str, bool, tuple[str, ...]]] = (
        ("the int8 dot product", profile.processor.dot_product.value, ("asimddp",)),
        ("half-precision arithmetic", profile.processor.fp16.value, ("fphp", "asimdhp")),
    )
    for what, expected, flags in wanted:
        there = set(flags) <= set(features)
        if expected and not there:
            yield f"{what} ({', '.join(flags)}) is missing"
        if there and not expected:
            yield f"it has {what} ({', '.join(flags)}), which the profile does not"


def _caches(facts: Fields, profile: Profile) -> Iterator[str]:
    found, expected = facts.inner("caches"), profile.caches
    for name, label in (("l1_data_kib", "L1 data cache"), ("l2_kib", "L2 cache"), ("l3_kib", "L3 cache")):
        there, said = found.count(name), getattr(expected, name)
        if there and said and there != said.value:
            doubt = ", which is unverified" if said.confidence == "U" else ""
            yield f"its {label} has {there} KiB, not {said.value}{doubt}"


def _system(facts: Fields) -> Iterator[str]:
    bringing = _runtimes(lambda provider: provider.brings_c_library)
    brings, others = _verb(bringing, "brings", "bring"), _runtimes(lambda provider: not provider.brings_c_library)
    narrow = _runtimes(lambda provider: ARMHF in provider.machines)
    arch = facts.text("arch")
    if arch not in (None, "aarch64", "x86_64"):
        made = _verb(narrow, "is", "are")
        yield (
            f"its system is {arch}: only {_listed(narrow)} {made} made for 32-bit ARM; install a 64-bit system for the "
            "others"
        )
    elif facts.count("word_bits") == 32:
        wide = [name for name in others if name not in narrow]
        yield (
            f"its kernel has 64 bits but its programs 32: {_listed(bringing)}, which {brings} its own C library, and "
            f"{_listed(narrow)} run there; {_listed(wide)} {_verb(wide, 'wants', 'want')} a 64-bit system"
        )
    if musl := facts.text("musl"):
        yield f"its C library is {musl}: {_listed(bringing)} {brings} its own; the others need glibc, as Debian has it"
    if android := facts.value("android"):
        yield (
            f"it is Android {android}, whose C library is its own: {_listed(bringing)} {brings} glibc, the others do "
            "not"
        )
    if libc := (facts.text("libc") or "").removeprefix("glibc "):
        yield from _old_library(Version(libc), others, f"{_listed(bringing)} {brings} its own")


def _old_library(libc: Version, runtimes: Sequence[str], otherwise: str) -> Iterator[str]:
    needed = {name: RUNTIMES[name].provider.least_glibc for name in runtimes}
    for least in dict.fromkeys(needed.values()):
        if libc < Version(least):
            names = [name for name in runtimes if needed[name] == least]
            yield (
                f"its glibc {libc} is older than {least}, which {_listed(names)} {_verb(names, 'needs', 'need')}; "
                f"{otherwise}"
            )


def _runtimes(fits: Callable[[Provider], bool]) -> tuple[str, ...]:
    return runtimes_that(lambda runtime: fits(runtime.provider))


def _listed(names: Sequence[str]) -> str:
    return " and ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)


def _verb(names: Sequence[str], one: str, several: str) -> str:
    return one if len(names) == 1 else several


def _state(facts: Fields) -> Iterator[str]:
    governor = facts.text("governor")
    if governor and governor != "performance":
        yield f"its governor is {governor}: the clock follows the load, and the first samples of a run are slower"
    throttling = facts.inner("throttling")
    if now := throttling.texts("now"):
        yield f"it is limited at this moment: {', '.join(now)}"
    elif before := throttling.texts("since_start"):
        yield f"it was limited since it started: {', '.join(before)}"
    heat = facts.inner("thermal_status").text("status")
    if heat not in (None, "none"):
        yield f"it is throttled for its heat at this moment: {heat}"
    kernel, firmware = facts.number("clock_mhz"), facts.number("clock_firmware_mhz")
    if kernel and firmware and firmware < kernel * (1 - FIRMWARE_TOLERANCE):
        yield f"its firmware runs {firmware} MHz while the kernel says {kernel} MHz"
    if (quota := facts.number("cpu_quota_cores")) is not None:
        yield f"its control groups let programs have {quota:.3g} cores: beyond that they are held back"
    if swapped := facts.number("swap_used_bytes"):
        yield f"it swaps: {swapped / 1e6:.0f} MB are on its disk"
