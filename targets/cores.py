"""The names of ARM cores by the numbers that /proc/cpuinfo gives them, and lists of cores as users write them.

In:  an implementer and a part, as `0x41` and `0xd08`; a list, as `0,4-7`.
Out: a name, as `Cortex-A72`; the cores' numbers. The numbers of names are those of the Linux kernel's
     `arch/arm64/include/asm/cputype.h`.
"""

from edgewright.base.numbers import int_or_none
from edgewright.errors import InputError

ARM = "0x41"
MOST_CORES = 1024
MAKERS = {ARM: "Arm", "0x42": "Broadcom", "0x46": "Fujitsu", "0x48": "HiSilicon", "0x4e": "NVIDIA", "0x51": "Qualcomm",
          "0x53": "Samsung", "0x61": "Apple", "0xc0": "Ampere"}  # fmt: skip

CORES = {
    ARM: {
        "0xc07": "Cortex-A7",
        "0xc08": "Cortex-A8",
        "0xc09": "Cortex-A9",
        "0xc0f": "Cortex-A15",
        "0xd03": "Cortex-A53",
        "0xd04": "Cortex-A35",
        "0xd05": "Cortex-A55",
        "0xd07": "Cortex-A57",
        "0xd08": "Cortex-A72",
        "0xd09": "Cortex-A73",
        "0xd0a": "Cortex-A75",
        "0xd0b": "Cortex-A76",
        "0xd0c": "Neoverse-N1",
        "0xd0d": "Cortex-A77",
        "0xd0e": "Cortex-A76AE",
        "0xd40": "Neoverse-V1",
        "0xd41": "Cortex-A78",
        "0xd42": "Cortex-A78AE",
        "0xd44": "Cortex-X1",
        "0xd46": "Cortex-A510",
        "0xd47": "Cortex-A710",
        "0xd48": "Cortex-X2",
        "0xd49": "Neoverse-N2",
        "0xd4b": "Cortex-A78C",
        "0xd4c": "Cortex-X1C",
        "0xd4d": "Cortex-A715",
        "0xd4e": "Cortex-X3",
        "0xd4f": "Neoverse-V2",
        "0xd80": "Cortex-A520",
        "0xd81": "Cortex-A720",
        "0xd82": "Cortex-X4",
    },
    "0x4e": {"0x003": "Denver 2", "0x004": "Carmel"},
    "0x51": {
        "0x800": "Kryo 2xx Gold",
        "0x801": "Kryo 2xx Silver",
        "0x803": "Kryo 3xx Silver",
        "0x804": "Kryo 4xx Gold",
        "0x805": "Kryo 4xx Silver",
    },
    "0x61": {"0x022": "Apple M1 Icestorm", "0x023": "Apple M1 Firestorm"},
}


def core_name(implementer: str, part: str) -> str:
    """The core's name; of one that is not known the part, with its maker where that is another than Arm."""
    implementer, part = implementer.lower(), part.lower()
    if name := CORES.get(implementer, {}).get(part):
        return name
    maker = "" if implementer == ARM else f"{MAKERS.get(implementer, implementer)} "
    return f"{maker}part {part}"


def core_numbers(listed: str) -> tuple[int, ...]:
    """The cores of a list such as `0,4-7`, each once. Raises `InputError` for what is none."""
    numbers: dict[int, None] = {}
    for span in map(_cores_of, listed.split(",")):
        if not span or span[-1] >= MOST_CORES:
            raise InputError(f"{listed!r} is no list of cores; write it as 0-3 or 0,2")
        numbers.update(dict.fromkeys(span))
    return tuple(numbers)


def cores_in(listed: str) -> int:
    """How many cores a list of the kernel's names, such as `0-3,6`; what is none of a list counts for nothing."""
    return sum(len(_cores_of(span)) for span in listed.split(","))


def _cores_of(span: str) -> range:
    """Those of `4-7`, or of `4`; empty of what is neither."""
    first, dash, last = (part.strip() for part in span.partition("-"))
    last = last if dash else first
    low, high = int_or_none(first), int_or_none(last)
    return range(low, high + 1) if low is not None and high is not None and 0 <= low <= high < MOST_CORES else range(0)
