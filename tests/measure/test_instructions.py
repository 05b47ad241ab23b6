import shutil
import subprocess
from pathlib import Path

import pytest

from edgewright.measure.instructions import missing_feature, unknown_instruction

ASSEMBLER = shutil.which("aarch64-linux-gnu-as")

# What the assembler makes of each instruction must be recognised, and what every core has must not be.
KNOWN = {
    "sdot v0.4s, v1.16b, v2.16b": "asimddp",
    "udot v3.2s, v1.8b, v9.8b": "asimddp",
    "sdot v0.4s, v1.16b, v2.4b[1]": "asimddp",
    "smmla v0.4s, v1.16b, v2.16b": "i8mm",
    "ummla v0.4s, v1.16b, v2.16b": "i8mm",
    "usmmla v0.4s, v1.16b, v2.16b": "i8mm",
    "usdot v0.4s, v1.16b, v2.16b": "i8mm",
    "usdot v0.4s, v1.16b, v2.4b[2]": "i8mm",
    "sudot v0.4s, v1.16b, v2.4b[2]": "i8mm",
    "bfdot v0.4s, v1.8h, v2.8h": "bf16",
    "bfmmla v0.4s, v1.8h, v2.8h": "bf16",
    "fmla v0.8h, v1.8h, v2.8h": "asimdhp",
    "fadd v0.4h, v1.4h, v2.4h": "asimdhp",
    "fmla v0.8h, v1.8h, v2.h[3]": "asimdhp",
    "fadd h0, h1, h2": "fphp",
    "ldaddal x0, x1, [x2]": "atomics",
    "swp w0, w1, [x2]": "atomics",
    "casal x0, x1, [x2]": "atomics",
    "add z0.s, z1.s, z2.s": "sve",
}
EVERYWHERE = (
    "fmla v0.4s, v1.4s, v2.4s",
    "fmla v0.4s, v1.4s, v2.s[1]",
    "smlal v0.4s, v1.4h, v2.4h",
    "smull v0.4s, v1.4h, v2.h[1]",
    "mla v0.8h, v1.8h, v2.h[1]",
    "sqdmulh v0.8h, v1.8h, v2.h[1]",
    "ldr q0, [x1]",
    "ldxr x0, [x1]",
    "stxr w0, x1, [x2]",
    "add x0, x1, x2",
    "fadd s0, s1, s2",
    "mul v0.8h, v1.8h, v2.8h",
    "sadalp v0.4s, v1.8h",
)


@pytest.fixture(scope="module")
def words(tmp_path_factory: pytest.TempPathFactory) -> dict[str, int]:
    if ASSEMBLER is None:
        pytest.skip("there is no cross assembler")
    folder = tmp_path_factory.mktemp("assembled")
    lines = [*KNOWN, *EVERYWHERE]
    (folder / "all.s").write_text("\n".join([".arch armv8.6-a+sve+fp16+i8mm+bf16+dotprod", *lines, ""]))
    subprocess.run([ASSEMBLER, "-o", folder / "all.o", folder / "all.s"], check=True)
    subprocess.run(["aarch64-linux-gnu-objcopy", "-O", "binary", folder / "all.o", folder / "all.bin"], check=True)
    content = Path(folder / "all.bin").read_bytes()
    return {line: int.from_bytes(content[4 * place : 4 * place + 4], "little") for place, line in enumerate(lines)}


@pytest.mark.parametrize(("line", "flag"), KNOWN.items())
def test_an_instruction_of_a_newer_core_is_known_by_its_feature(words: dict[str, int], line: str, flag: str) -> None:
    found = missing_feature(words[line], ["fp", "asimd"])
    assert found is not None
    assert found.endswith(f"({flag})")


@pytest.mark.parametrize("line", EVERYWHERE)
def test_an_instruction_that_every_core_has_is_blamed_on_no_feature(words: dict[str, int], line: str) -> None:
    assert missing_feature(words[line], ["fp", "asimd"]) is None


def test_what_a_runner_did_not_tell_is_not_known() -> None:
    assert unknown_instruction("Illegal instruction\n") is None
    assert unknown_instruction("edgewright-illegal 0x4e829420 and more\n") is None
    assert unknown_instruction("x\nedgewright-illegal 0x4e829420\nqemu: uncaught target signal 4\n") == 0x4E829420
    assert missing_feature(None, None) is None
