"""What is provided of ExecuTorch for a machine; a cross-built runner runs under user-mode QEMU."""

import shutil
import subprocess
from pathlib import Path, PurePosixPath

import pytest

from edgewright.runtimes.device import runtime_for
from edgewright.runtimes.executorch import native
from tests import artifacts
from tests.calls import compared
from tests.device_scripts.artifacts import Artifact, artifact_for, expected, lay_out, rows_in, run_job, write_job

CROSS = shutil.which("aarch64-linux-gnu-g++") is not None
needs_cross = pytest.mark.skipif(not CROSS, reason="g++-aarch64-linux-gnu is not installed")
EMULATOR = "qemu-aarch64-static"
needs_qemu = pytest.mark.skipif(shutil.which(EMULATOR) is None, reason="qemu-user-static is not installed")


def emulator(core: str) -> tuple[str, ...]:
    return (EMULATOR, "-cpu", core, "-L", "/usr/aarch64-linux-gnu")


def dynamic_needs(file: Path, option: str) -> str:
    return subprocess.run(["readelf", option, "-W", str(file)], capture_output=True, text=True, check=True).stdout


@needs_cross
def test_the_native_runner_for_a_device_is_small_and_needs_nothing_but_its_own_libraries() -> None:
    made = runtime_for("executorch", machine="aarch64")
    assert set(made.files) == {native.PROGRAM, *native.LIBRARIES}
    assert made.size_bytes < 14e6
    dynamic = dynamic_needs(made.files[native.PROGRAM], "-d")
    assert "[$ORIGIN]" in dynamic
    wanted = {line.split("[")[1].rstrip("]") for line in dynamic.splitlines() if "(NEEDED)" in line}
    assert wanted <= {*native.LIBRARIES, "libstdc++.so.6", "libgcc_s.so.1", "libc.so.6", "libm.so.6"}


@needs_cross
def test_with_a_c_library_of_its_own_the_native_runner_starts_through_its_own_loader() -> None:
    made = runtime_for("executorch", machine="aarch64", with_c_library=True)
    assert {*made.files} == {native.PROGRAM, *native.LIBRARIES, *native.C_LIBRARIES, "ld-linux-aarch64.so.1"}
    command = made.command(PurePosixPath("/data/local/tmp/runtime"), PurePosixPath("/data/local/tmp/job.json"))
    assert command == (
        "/data/local/tmp/runtime/ld-linux-aarch64.so.1",
        "--library-path",
        "/data/local/tmp/runtime",
        "/data/local/tmp/runtime/edgewright-runner",
        "/data/local/tmp/job.json",
    )
    needed = {
        line.split("[")[1].rstrip("]")
        for path in made.files.values()
        for line in dynamic_needs(path, "-d").splitlines()
        if "(NEEDED)" in line
    }
    assert needed <= {*made.files}


@needs_cross
@needs_qemu
@pytest.mark.parametrize("core", ["cortex-a53", "cortex-a72", "cortex-a76"])
def test_the_cross_built_runner_gives_torchs_outputs_on_the_instructions_of_each_core(
    tmp_path: Path, core: str
) -> None:
    made, artifact = runtime_for("executorch", machine="aarch64"), artifact_for("executorch")
    ran = run_job(made, lay_out(made, tmp_path / "runtime"), write_job(tmp_path, artifact), through=emulator(core))
    assert ran.status == 0
    for found, meant in zip(rows_in(ran.document), expected(), strict=True):
        assert found == pytest.approx(meant, abs=1e-5)


@needs_cross
@needs_qemu
@pytest.mark.slow
@pytest.mark.parametrize(
    ("core", "right"), [("cortex-a53", True), ("cortex-a72", True), ("cortex-a76", True), ("max", False)]
)
def test_the_check_tells_a_core_whose_int8_kernels_give_wrong_numbers(tmp_path: Path, core: str, right: bool) -> None:
    made, file = runtime_for("executorch", machine="aarch64"), artifacts.int8_pte()[0]
    ids = [row.ids for row in artifacts.rows_of_every_length()]
    job = write_job(tmp_path, Artifact(runtime="executorch", path=file, lengths=()), inputs=ids, samples=0)
    ran = run_job(made, lay_out(made, tmp_path / "runtime"), job, through=emulator(core))
    assert ran.status == 0
    assert compared(rows_in(ran.document), artifacts.expected()).passed is right
