"""What a machine is and how it is doing: each fact is a command and a pure parser of what it prints.

In:  a `Target` that has a POSIX shell.
Out: a JSON-safe dict for a measurement's "machine" field, in one round trip; what a machine does not tell is None.
What follows from a fact (that a run was throttled, say) is `measure`'s concern.
"""

import shlex
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from edgewright.base import plausible
from edgewright.base.json_values import JsonValue
from edgewright.targets.base import Target
from edgewright.targets.fact_parsers import (
    architecture,
    board_model,
    busy_s,
    clock_mhz,
    core_count,
    cpu_features,
    cpu_model,
    cpu_parts,
    firmware_clock_mhz,
    governor,
    hottest_c,
    kernel_release,
    libc_version,
    load_1min,
    memory_available_bytes,
    memory_limit_bytes,
    memory_total_bytes,
    os_name,
    processes,
    python_version,
    swap_used_bytes,
    thermal_status,
    throttling,
    uptime_s,
)
from edgewright.targets.quota import GROUPS, held_back, quota_cores

FACTS_LIMIT_S = 60.0
SEPARATOR = "@edgewright-fact"
CPU = "/sys/devices/system/cpu"


@dataclass(frozen=True, kw_only=True)
class Fact:
    """One command and the pure function that reads its output; the parser answers None for what it cannot read."""

    argv: tuple[str, ...]
    parse: Callable[[str], JsonValue]


CPUINFO, MEMINFO, UNAME = ("cat", "/proc/cpuinfo"), ("cat", "/proc/meminfo"), ("uname", "-s", "-r", "-m")


def every(pattern: str) -> tuple[str, ...]:
    """The command that prints all files of a pattern."""
    return ("sh", "-c", f"cat {pattern}")  # the shell is there for the wildcard


def or_else(command: str, other: str) -> tuple[str, ...]:
    """The command that does one thing and, where that fails, another."""
    return ("sh", "-c", f"{command} || {other}")


MACHINE: Mapping[str, Fact] = {
    "board": Fact(argv=or_else("cat /proc/device-tree/model", "getprop ro.product.model"), parse=board_model),
    "cpu_model": Fact(argv=CPUINFO, parse=cpu_model),
    "cpu_parts": Fact(argv=CPUINFO, parse=cpu_parts),
    "cpu_features": Fact(argv=CPUINFO, parse=cpu_features),
    "cores": Fact(argv=CPUINFO, parse=core_count),
    "ram_bytes": Fact(argv=MEMINFO, parse=memory_total_bytes),
    "ram_available_bytes": Fact(argv=MEMINFO, parse=memory_available_bytes),
    "swap_used_bytes": Fact(argv=MEMINFO, parse=swap_used_bytes),
    "arch": Fact(argv=UNAME, parse=architecture),
    "kernel": Fact(argv=UNAME, parse=kernel_release),
    "libc": Fact(argv=("getconf", "GNU_LIBC_VERSION"), parse=libc_version),
    "os": Fact(argv=or_else("cat /etc/os-release", "getprop ro.build.version.release"), parse=os_name),
    "python": Fact(argv=("python3", "--version"), parse=python_version),
    "governor": Fact(argv=every(f"{CPU}/cpu[0-9]*/cpufreq/scaling_governor"), parse=governor),
    "clock_mhz": Fact(argv=every(f"{CPU}/cpu[0-9]*/cpufreq/scaling_cur_freq"), parse=clock_mhz),
    "clock_max_mhz": Fact(argv=every(f"{CPU}/cpu[0-9]*/cpufreq/cpuinfo_max_freq"), parse=clock_mhz),
    "clock_firmware_mhz": Fact(argv=("vcgencmd", "measure_clock", "arm"), parse=firmware_clock_mhz),
    "temperature_c": Fact(argv=every("/sys/class/thermal/thermal_zone[0-9]*/temp"), parse=hottest_c),
    "throttling": Fact(argv=("vcgencmd", "get_throttled"), parse=throttling),
    "thermal_status": Fact(argv=("dumpsys", "thermalservice"), parse=thermal_status),
    "load_1min": Fact(argv=("cat", "/proc/loadavg"), parse=load_1min),
    "memory_limit_bytes": Fact(
        argv=every("/sys/fs/cgroup/memory.max /sys/fs/cgroup/memory/memory.limit_in_bytes"), parse=memory_limit_bytes
    ),
    "cpu_quota_cores": Fact(argv=("sh", "-c", GROUPS), parse=quota_cores),
    "cpu_held_back": Fact(argv=("sh", "-c", GROUPS), parse=held_back),
}

# Who has the processor: only differences between two readings tell anything.
UPTIME = Fact(argv=("cat", "/proc/uptime"), parse=uptime_s)
WATCHED: Mapping[str, Fact] = {"uptime_s": UPTIME, "processes": Fact(argv=every("/proc/[0-9]*/stat"), parse=processes)}
AT_REST: Mapping[str, Fact] = {
    "uptime_s": UPTIME,
    "busy_s": Fact(argv=("cat", "/proc/stat"), parse=busy_s),
    "temperature_c": MACHINE["temperature_c"],
}


def read_facts(target: Target, facts: Mapping[str, Fact] = MACHINE) -> dict[str, JsonValue]:
    """All these facts about a machine, in one command; one that is absent there, or cannot be so, is None.

    Raises a `TargetError` only for the connection itself.
    """
    commands = list(dict.fromkeys(fact.argv for fact in facts.values()))
    script = "\n".join(f"echo; echo {SEPARATOR}; {shlex.join(argv)} 2>/dev/null" for argv in commands)
    printed = target.run(["sh", "-c", script], timeout_s=FACTS_LIMIT_S).stdout.replace("\0", "")
    texts = [text.removesuffix("\n") for text in printed.split(f"{SEPARATOR}\n")[1:]]
    text_of = dict(zip(commands, texts, strict=False))
    return {name: plausible.fact(name, fact.parse(text_of.get(fact.argv, ""))) for name, fact in facts.items()}
