"""Which feature of a core an instruction belongs to that the core did not know.

In:  what a runner wrote to standard error before it ended by SIGILL, and the features that the kernel names.
Out: the feature in words, or None where it is none of those that runtimes are known to use.
The encodings are those of the Arm Architecture Reference Manual (DDI 0487), A64, by fixed bits.
"""

import re
from collections.abc import Sequence

ILLEGAL_LINE = "edgewright-illegal"

# (mask, value, the kernel's flag, the name): an instruction word is of the kind when word & mask == value.
_KINDS = (
    (0x9FE0FC00, 0x0E809400, "asimddp", "the int8 dot product"),  # SDOT, UDOT
    (0x9FC0F400, 0x0F80E000, "asimddp", "the int8 dot product"),  # the same, by element
    (0xDFE0F400, 0x4E80A400, "i8mm", "int8 matrix multiplication"),  # SMMLA, UMMLA, USMMLA
    (0xBFE0FC00, 0x0E809C00, "i8mm", "int8 matrix multiplication"),  # USDOT
    (0xBF40F400, 0x0F00F000, "i8mm", "int8 matrix multiplication"),  # USDOT, SUDOT, by element
    (0xBFE0FC00, 0x2E40FC00, "bf16", "bfloat16 arithmetic"),  # BFDOT
    (0xFFE0FC00, 0x6E40EC00, "bf16", "bfloat16 arithmetic"),  # BFMMLA
    (0x9F60C400, 0x0E400400, "asimdhp", "half-precision arithmetic"),  # three registers
    (0xBFC02400, 0x0F000000, "asimdhp", "half-precision arithmetic"),  # by element
    (0xFFE00000, 0x1EE00000, "fphp", "half-precision arithmetic"),  # scalar
    (0x3F200C00, 0x38200000, "atomics", "atomic read-modify-write (LSE)"),  # LDADD … SWP
    (0x3FA07C00, 0x08A07C00, "atomics", "atomic read-modify-write (LSE)"),  # CAS
    (0x1E000000, 0x04000000, "sve", "scalable vectors (SVE)"),
)


def unknown_instruction(stderr: str) -> int | None:
    """The first four bytes at the place where a runner met SIGILL; None where it did not tell."""
    found = re.findall(rf"^{ILLEGAL_LINE} (0x[0-9a-f]{{8}})$", stderr, re.M)
    return int(found[-1], 16) if found else None


def missing_feature(word: int | None, features: Sequence[str] | None) -> str | None:
    """As "the int8 dot product (asimddp)"; a feature that the core has, by its flags, is not the one."""
    if word is None:
        return None
    for mask, value, flag, name in _KINDS:
        if word & mask == value and flag not in (features or ()):
            return f"{name} ({flag})"
    return None
