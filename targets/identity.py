"""What a machine is made of: the facts that tell one board from another, beyond those that a measurement keeps.

In:  the text that a few commands print there.
Out: `IDENTITY`, facts as `facts.read_facts` takes them; what a machine does not tell is None.
Which known device it is, is `hardware.identify`'s concern; how fast its storage and its link are, `speed`'s.
"""

import re
from collections.abc import Mapping

from edgewright.base.json_values import JsonObject
from edgewright.base.numbers import int_or_none
from edgewright.targets.cores import cores_in
from edgewright.targets.device_store.space import free_bytes
from edgewright.targets.fact_parsers import android_release, clock_mhz, core_kinds
from edgewright.targets.facts import CPU, CPUINFO, MACHINE, Fact, every

ZONES = "/sys/class/thermal/thermal_zone[0-9]*"
LEVELS = ("1", "2", "3", "4")
UNITS = {"K": 1, "M": 1024}
# Revision codes of the Raspberry Pi's firmware: bit 23 marks the present scheme, bits 20 to 22 tell the memory.
NEW_SCHEME = 1 << 23
LEAST_RAM_MB = 256


def caches(listing: str) -> JsonObject | None:
    """Sizes in KiB and how many cores share an L2, of the largest caches where cores differ."""
    sizes: dict[str, int] = {}
    for cache in _by_folder(listing).values():
        level, kind = cache.get("level", ""), cache.get("type", "")
        size = re.fullmatch(r"(\d+)([KM])", cache.get("size", ""))
        name = {"Data": "l1_data_kib", "Instruction": "l1_instruction_kib"}.get(kind, f"l{level}_kib")
        number = int_or_none(size[1]) if size and level in LEVELS else None
        kib = number * UNITS[size[2]] if size and number is not None else 0
        if kib > sizes.get(name, 0):
            sizes[name] = kib
            if name == "l2_kib":
                sizes["l2_cores"] = cores_in(cache.get("shared_cpu_list", ""))
    return {**sizes} or None


def sensors_c(listing: str) -> JsonObject | None:
    """Each thermal zone's temperature by its name; the kernel gives thousandths of a degree Celsius."""
    zones = _by_folder(listing).values()
    sensors: JsonObject = {
        zone["type"]: number / 1000
        for zone in zones
        if "type" in zone and (number := int_or_none(zone.get("temp", ""))) is not None
    }
    return sensors or None


def word_bits(getconf: str) -> int | None:
    """32 or 64: what programs there are made for, which may be less than the processor could do."""
    return int(getconf) if getconf.strip() in ("32", "64") else None


def musl_version(ldd: str) -> str | None:
    """As `musl 1.2.4`; None with another C library."""
    match = re.search(r"^musl libc.*\nVersion (\d[\d.]*)", ldd, re.M)
    return f"musl {match[1]}" if match else None


def sold_ram_bytes(cpuinfo: str) -> int | None:
    """The memory a Raspberry Pi was sold with, out of its revision code; None for other machines."""
    match = re.search(r"^Revision\s*:\s*([0-9a-fA-F]{6,8})\s*$", cpuinfo, re.M)
    code = int(match[1], 16) if match else 0
    return LEAST_RAM_MB << 20 + (code >> 20 & 7) if code & NEW_SCHEME else None


def home_disk(df_text: str) -> JsonObject | None:
    """The file system under the home directory: its device, size and free space."""
    free = free_bytes(df_text)
    fields = df_text.strip().splitlines()[-1].split() if free is not None else []
    blocks = int_or_none(fields[1]) if len(fields) == 6 else None
    if blocks is None:
        return None
    return {"device": fields[0], "bytes": blocks * 1024, "free_bytes": free}


def _by_folder(listing: str) -> dict[str, dict[str, str]]:
    """What `grep -H .` shows of small files, as `/sys/…/index0/level:1`: their content by folder and name."""
    folders: dict[str, dict[str, str]] = {}
    for folder, name, content in re.findall(r"^(/\S*)/(\w+):(.*)$", listing, re.M):
        folders.setdefault(folder, {})[name] = content.strip()
    return folders


def _shown(*patterns: str) -> tuple[str, ...]:
    return ("sh", "-c", f"grep -H . {' '.join(patterns)}")  # the shell is there for the wildcards


IDENTITY: Mapping[str, Fact] = {
    **MACHINE,
    "core_kinds": Fact(argv=CPUINFO, parse=core_kinds),
    "caches": Fact(argv=_shown(f"{CPU}/cpu[0-9]*/cache/index[0-9]*/*"), parse=caches),
    "clock_min_mhz": Fact(argv=every(f"{CPU}/cpu[0-9]*/cpufreq/cpuinfo_min_freq"), parse=clock_mhz),
    "clock_limit_mhz": Fact(argv=every(f"{CPU}/cpu[0-9]*/cpufreq/scaling_max_freq"), parse=clock_mhz),
    "sold_ram_bytes": Fact(argv=CPUINFO, parse=sold_ram_bytes),
    "sensors_c": Fact(argv=_shown(f"{ZONES}/type", f"{ZONES}/temp"), parse=sensors_c),
    "android": Fact(argv=("getprop", "ro.build.version.release"), parse=android_release),
    "word_bits": Fact(argv=("getconf", "LONG_BIT"), parse=word_bits),
    "musl": Fact(argv=("sh", "-c", "ldd --version 2>&1"), parse=musl_version),
    "disk": Fact(argv=("sh", "-c", "df -Pk ~"), parse=home_disk),
}
