"""What each kind of core can do in a cycle: facts of the design, the same in every chip that has it.

In:  a core's name, as `/proc/cpuinfo` and vendors write it.
Out: `CORES`. How fast a device's cores are clocked, and how many there are, is its profile's to tell.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from edgewright.errors import nearest


@dataclass(frozen=True, kw_only=True)
class Core:
    """One design. Operations count a multiply-accumulate as two, of one core, in 128-bit vectors or what it has.

    An `in_order` core waits for what it loads. `emulated_as` is QEMU's name of it, or of a core with the same int8
    instructions; empty where QEMU has none.
    """

    dot_product: bool
    fp16: bool
    int8_operations_per_cycle: int
    float_operations_per_cycle: int
    in_order: bool = False
    emulated_as: str = ""


# Instructions are those of LLVM's AArch64 processor tables. int8 is 16 operations a cycle without the dot product, and
# with it 32 for each 128-bit pipe that has it; float is 4 lanes times 2 for each pipe of multiply-accumulates.
CORES: Mapping[str, Core] = {
    "Cortex-A53": Core(
        dot_product=False,
        fp16=False,
        int8_operations_per_cycle=16,
        float_operations_per_cycle=8,
        in_order=True,
        emulated_as="cortex-a53",
    ),
    "Cortex-A55": Core(
        dot_product=True,
        fp16=True,
        int8_operations_per_cycle=32,
        float_operations_per_cycle=8,
        in_order=True,
        emulated_as="cortex-a76",
    ),
    "Cortex-A57": Core(
        dot_product=False,
        fp16=False,
        int8_operations_per_cycle=16,
        float_operations_per_cycle=8,
        emulated_as="cortex-a57",
    ),
    "Cortex-A72": Core(
        dot_product=False,
        fp16=False,
        int8_operations_per_cycle=16,
        float_operations_per_cycle=8,
        emulated_as="cortex-a72",
    ),
    "Cortex-A76": Core(
        dot_product=True,
        fp16=True,
        int8_operations_per_cycle=64,
        float_operations_per_cycle=16,
        emulated_as="cortex-a76",
    ),
    "Cortex-A78AE": Core(
        dot_product=True,
        fp16=True,
        int8_operations_per_cycle=64,
        float_operations_per_cycle=16,
        emulated_as="cortex-a76",
    ),
    "Cortex-A510": Core(
        dot_product=True, fp16=True, int8_operations_per_cycle=32, float_operations_per_cycle=8, in_order=True
    ),
    "Cortex-A710": Core(dot_product=True, fp16=True, int8_operations_per_cycle=64, float_operations_per_cycle=16),
    "Cortex-A715": Core(dot_product=True, fp16=True, int8_operations_per_cycle=64, float_operations_per_cycle=16),
    "Cortex-X3": Core(dot_product=True, fp16=True, int8_operations_per_cycle=128, float_operations_per_cycle=32),
    "Carmel": Core(dot_product=False, fp16=True, int8_operations_per_cycle=16, float_operations_per_cycle=16),
    # Whatever x86-64 machine; what is counted on is AVX2, which has no dot product of bytes.
    "x86-64": Core(dot_product=False, fp16=False, int8_operations_per_cycle=64, float_operations_per_cycle=32),
}


def unknown_core(name: str) -> str:
    """The end of a sentence about a core that is not in the table."""
    return f"is no core Edgewright knows; {nearest(name, sorted(CORES))}"
