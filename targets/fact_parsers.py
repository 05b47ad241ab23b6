"""What commands print of a machine, read: pure functions, each of one command's text.

In:  the text, as any machine may print it.
Out: a fact; None for what cannot be read, or is not there.
"""

import re
from collections import Counter

from edgewright.base.json_values import JsonObject
from edgewright.base.numbers import float_or_none, hex_or_none, int_or_none
from edgewright.targets.cores import ARM, core_name

TICKS_PER_S = 100  # what Linux shows programs on every processor
UNLIMITED_BYTES = 1 << 60  # above it a control group's limit is none
LARGEST_TEMPERATURE_MC = 1_000_000

# vcgencmd get_throttled: the same four conditions, now (bits 0 to 3) and at any time since the start (bits 16 to 19)
THROTTLE_BITS = ("under-voltage", "frequency capped", "throttled", "soft temperature limit")

# Android's thermal status, 0 to 6, and the kinds of its temperatures, as `android.os.Temperature` numbers them
THERMAL_STATUS = ("none", "light", "moderate", "severe", "critical", "emergency", "shutdown")
THERMAL_CPU = 0


def cpu_model(cpuinfo: str) -> str | None:
    """The cores' name: on ARM from implementer and part, big and little ones joined; else the model name."""
    if kinds := core_kinds(cpuinfo):
        return " + ".join(kinds)
    return _first(r"^model name\s*:\s*(.+)$", cpuinfo)


def core_kinds(cpuinfo: str) -> JsonObject | None:
    """How many cores of each kind are on, by their names, in the order of the cores; None where there are no parts."""
    parts = re.findall(r"^CPU part\s*:\s*(0x[0-9a-fA-F]+)", cpuinfo, re.M)
    makers = re.findall(r"^CPU implementer\s*:\s*(0x[0-9a-fA-F]+)", cpuinfo, re.M)
    makers += [ARM] * (len(parts) - len(makers))
    counted: JsonObject = dict(Counter(core_name(*each) for each in zip(makers, parts, strict=False)))
    return counted or None


def cpu_parts(cpuinfo: str) -> list[str] | None:
    """The distinct part numbers, as `0xd08`, in the order of the cores; None where the machine has none (x86)."""
    return list(dict.fromkeys(re.findall(r"^CPU part\s*:\s*(0x[0-9a-fA-F]+)", cpuinfo, re.M))) or None


def cpu_features(cpuinfo: str) -> list[str] | None:
    """The instruction sets every core has, sorted: a program runs on any of them."""
    lines = re.findall(r"^(?:Features|flags)\s*:\s*(.*)$", cpuinfo, re.M)
    return sorted(set.intersection(*(set(line.split()) for line in lines))) if lines else None


def core_count(cpuinfo: str) -> int | None:
    """Cores that are on."""
    return len(re.findall(r"^processor\s*:\s*\d+", cpuinfo, re.M)) or None


def memory_total_bytes(meminfo: str) -> int | None:
    """What Linux sees of the memory."""
    return _kibibytes("MemTotal", meminfo)


def memory_available_bytes(meminfo: str) -> int | None:
    """What a new program could get without swapping."""
    return _kibibytes("MemAvailable", meminfo)


def swap_used_bytes(meminfo: str) -> int | None:
    """Swap in use; a measurement with any deserves a second look."""
    total, free = _kibibytes("SwapTotal", meminfo), _kibibytes("SwapFree", meminfo)
    return total - free if total is not None and free is not None else None


def kernel_release(uname: str) -> str | None:
    """The kernel's release out of `uname -s -r -m`."""
    return _first(r"^(?:Linux|Darwin) (\S+) \S+$", uname)


def architecture(uname: str) -> str | None:
    """The machine's instruction set out of `uname -s -r -m`, as `aarch64`."""
    return _first(r"^(?:Linux|Darwin) \S+ (\S+)$", uname)


def libc_version(getconf: str) -> str | None:
    """As `glibc 2.36`; None with another C library."""
    return _first(r"^(glibc \d[\d.]*)\s*$", getconf)


def python_version(printed: str) -> str | None:
    """The device's own Python as "3.11"; None without one."""
    return _first(r"^Python (3\.\d+)", printed)


def os_name(printed: str) -> str | None:
    """The distribution's full name out of os-release, or `Android 14` where there is only Android's number."""
    if android := android_release(printed):
        return f"Android {android}"
    return _first(r'^PRETTY_NAME="?([^"\n]*)"?$', printed)


def android_release(printed: str) -> str | None:
    """Android's version as it numbers itself, as `14` or `8.1.0`; None for what is no such number."""
    match = re.fullmatch(r"\d+(\.\d+)*", printed.strip())
    return match[0] if match else None


def board_model(printed: str) -> str | None:
    """What the firmware calls the board, in a file that ends in a zero byte; what an Android device says it is."""
    return printed.strip("\0 \t\r\n") or None


def governor(listing: str) -> str | None:
    """The frequency governor; several cores' different ones joined."""
    return " + ".join(dict.fromkeys(listing.split())) or None


def clock_mhz(listing: str) -> int | None:
    """The highest of the cores' frequencies, which the kernel gives in kHz."""
    return max(clocks) // 1000 if (clocks := _whole_numbers(listing)) else None


def hottest_c(listing: str) -> float | None:
    """The highest of the thermal zones' temperatures, which the kernel gives in thousandths of a degree Celsius."""
    temperatures = [number / 1000 for number in _whole_numbers(listing, least=-LARGEST_TEMPERATURE_MC)]
    return max((value for value in temperatures if -40 < value < 200), default=None)


def throttling(vcgencmd: str) -> JsonObject | None:
    """The Raspberry Pi firmware's word: the raw bits, what limits it now, what has limited it since the start."""
    raw = _first(r"^throttled=(0x[0-9a-fA-F]+)\s*$", vcgencmd)
    bits = hex_or_none(raw) if raw is not None else None
    if bits is None:
        return None
    now = [name for place, name in enumerate(THROTTLE_BITS) if bits >> place & 1]
    since_start = [name for place, name in enumerate(THROTTLE_BITS, 16) if bits >> place & 1]
    return {"raw": raw, "now": now, "since_start": since_start}


def thermal_status(dumpsys: str) -> JsonObject | None:
    """Android's word on its heat: whether and by what it is throttled, and the hottest core as its driver says it."""
    status = _whole(r"^Thermal Status: (\d+)\s*$", dumpsys)
    if status is None or status >= len(THERMAL_STATUS):
        return None
    # what it heard last comes first, under "Cached temperatures"; what its driver says now is worth more
    now = dumpsys.partition("Current temperatures from HAL:")[2] or dumpsys
    sensors = re.findall(
        r"^\s*Temperature\{mValue=(-?[\d.]+), mType=(-?\d+), mName=([^,}]*), mStatus=(\d+)\}", now, re.M
    )
    cores = [float_or_none(value) for value, kind, _, _ in sensors if int_or_none(kind) == THERMAL_CPU]
    return {
        "status": THERMAL_STATUS[status],
        "by": [name for _, _, name, state in sensors if (int_or_none(state) or 0) > 0],
        "cpu_c": max((value for value in cores if value is not None), default=None),
    }


def firmware_clock_mhz(vcgencmd: str) -> int | None:
    """The ARM clock as the firmware measures it; the kernel may report 1400 MHz while the firmware runs 600."""
    hertz = _whole(r"^frequency\(\d+\)=(\d+)\s*$", vcgencmd)
    return round(hertz / 1e6) if hertz else None


def load_1min(loadavg: str) -> float | None:
    """Processes that wanted to run, averaged over the last minute."""
    load = _first(r"^(\d+\.\d+) ", loadavg)
    return float_or_none(load) if load else None


def memory_limit_bytes(listing: str) -> int | None:
    """The least that a control group lets its programs have; None where none is limited."""
    return min((limit for limit in _whole_numbers(listing) if limit < UNLIMITED_BYTES), default=None)


def uptime_s(uptime: str) -> float | None:
    """Seconds since the machine started."""
    seconds = _first(r"^(\d+\.\d+) ", uptime)
    return float_or_none(seconds) if seconds else None


def busy_s(stat: str) -> float | None:
    """Processor time that all programs had since the machine started, over all cores, in seconds."""
    ticks = _first(r"^cpu +((?:\d+ +){7}\d+)", stat)
    counts = _whole_numbers(ticks or "")
    if len(counts) != 8:
        return None
    user, nice, system, _idle, _waiting, irq, soft, _steal = counts
    return (user + nice + system + irq + soft) / TICKS_PER_S


def processes(listing: str) -> JsonObject | None:
    """The processor time of each process in seconds, by its number and name: `{"812 chromium": 31.4}`."""
    lines = re.findall(r"^(\d+) \((.*)\) [A-Za-z] (?:-?\d+ ){10}(\d+) (\d+) ", listing, re.M)
    by_process: JsonObject = {
        f"{number} {name}": sum(_whole_numbers(f"{user} {system}")) / TICKS_PER_S
        for number, name, user, system in lines
    }
    return by_process or None


def _first(pattern: str, text: str) -> str | None:
    match = re.search(pattern, text, re.M)
    return match[1].strip() if match else None


def _kibibytes(name: str, meminfo: str) -> int | None:
    kibibytes = _whole(rf"^{name}:\s+(\d+) kB$", meminfo)
    return kibibytes * 1024 if kibibytes is not None and kibibytes < UNLIMITED_BYTES else None


def _whole(pattern: str, text: str) -> int | None:
    """The whole number that a pattern finds, where it is one of 64 bits."""
    digits = _first(pattern, text)
    return int_or_none(digits) if digits else None


def _whole_numbers(listing: str, *, least: int = 0) -> list[int]:
    """The words that are whole numbers of 64 bits."""
    numbers = (int_or_none(word) for word in listing.split())
    return [number for number in numbers if number is not None and number >= least]
