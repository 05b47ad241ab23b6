"""A profile of a machine that was asked what it is.

In:  the facts of `targets.facts`, and the address they came from.
Out: `Probed`: the text of a profile: what the machine says of itself, over the built-in profile that has the same core.
What the machine cannot say of itself (its caches' shares, what kernels like) is that profile's, with its marks.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass

from edgewright.base.fields import Fields
from edgewright.base.json_values import JsonObject
from edgewright.devices.known_device import ram_mb
from edgewright.errors import InputError
from edgewright.specs.microarchitectures import CORES, unknown_core
from edgewright.specs.profiles import Profile, load_profile, profile_names

MEBIBYTE = 1 << 20
ANY_X86 = "x86-64"
VECTOR_FLAGS = ("avx", "amx", "fma", "sse4")  # of some hundred that x86 has, those that kernels ask for


@dataclass(frozen=True, kw_only=True)
class Probed:
    """A profile that is to be written: its name, and its TOML."""

    name: str
    text: str


def probed(facts: JsonObject, *, address: str, name: str | None = None) -> Probed:
    """The machine's profile. Raises `InputError` for a machine with a core that no built-in profile has."""
    known, memory_mb = Fields(facts), ram_mb(facts)
    core = _core(known, address)
    like = _like(core, known, memory_mb)
    title = known.text("board") or known.text("cpu_model") or address
    source = f"read on {address.removesuffix(':')}"
    name = name or _slug(title)
    cores = known.count("cores")
    lines = [
        f"name = {json.dumps(name)}",
        f"title = {json.dumps(title, ensure_ascii=False)}",
        f"extends = {json.dumps(like.name)}",
        f"notes = [{json.dumps(f'what was not read on the machine is that of {like.name}, which has the same core')}]",
        "",
        "[processor]",
    ]
    single = not like.processor.slower
    if cores and single:
        lines.append(_fact("cores", cores, "R", f"{source}: /proc/cpuinfo"))
    if (clock := _clock_mhz(known)) and single:
        lines.append(_fact("clock_mhz", clock, "R", f"{source}: cpuinfo_max_freq"))
        per_cycle = CORES[core].int8_operations_per_cycle
        peak = f"{per_cycle} int8 operations a cycle at {clock} MHz, one core"
        lines.append(_fact("int8_peak_gops", round(per_cycle * clock / 1000, 1), "C", peak))
    if features := known.texts("cpu_features"):
        flags = set(features)
        if core == ANY_X86:
            flags = {flag for flag in flags if flag.startswith(VECTOR_FLAGS)}
            lines.append(_fact("dot_product", any("vnni" in flag for flag in flags), "R", f"{source}: /proc/cpuinfo"))
            lines.append(_fact("fp16", "avx512_fp16" in flags, "R", f"{source}: /proc/cpuinfo"))
        lines.append(_fact("features", sorted(flags), "R", f"{source}: /proc/cpuinfo"))
    if memory_mb:
        told = "its revision code" if known.count("sold_ram_bytes") else "MemTotal, and the size a little above it"
        lines += ["", "[memory]", _fact("ram_mb", memory_mb, "R", f"{source}: {told}")]
        lines.append(_fact("usable_mb", (known.count("ram_bytes") or 0) // MEBIBYTE, "R", f"{source}: MemTotal"))
    return Probed(name=name, text="\n".join(lines) + "\n")


def _core(facts: Fields, address: str) -> str:
    """The fastest kind there is, as `CORES` has it."""
    if facts.text("arch") == "x86_64":
        return ANY_X86
    said = facts.text("cpu_model") or "unknown"
    known = [each for each in said.split(" + ") if each in CORES]
    if not known:
        raise InputError(f"the core of {address}, {said!r}, {unknown_core(said)}; write its profile by hand")
    return max(known, key=lambda each: CORES[each].int8_operations_per_cycle)


def _like(core: str, facts: Fields, memory_mb: int | None) -> Profile:
    """The built-in profile with this core whose clock and memory are nearest."""
    same = [each for name in profile_names() if (each := load_profile(name)).processor.core.value == core]
    if not same:
        raise InputError(f"no built-in profile has a {core}; write one by hand, and `edgewright profiles check` it")
    clock = _clock_mhz(facts) or 0

    def apart(profile: Profile) -> tuple[float, float]:
        return abs(profile.processor.clock_mhz.value - clock), abs(profile.memory.ram_mb.value - (memory_mb or 0))

    return min(same, key=apart)


def _clock_mhz(facts: Fields) -> int | None:
    return facts.count("clock_max_mhz") or facts.count("clock_firmware_mhz")


def _slug(title: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", title.lower()).strip("-")[:60] or "device"


def _fact(name: str, value: object, confidence: str, source: str) -> str:
    shown = json.dumps(value), json.dumps(confidence), json.dumps(source, ensure_ascii=False)
    return f"{name} = {{ value = {shown[0]}, confidence = {shown[1]}, source = {shown[2]} }}"
