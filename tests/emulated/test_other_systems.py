"""Systems unlike Debian's for 64 bits, on a board's own kernel: one with no C library, as Android's looks to a program
that is not Android's, and Debian with programs of 32 bits; and what is said once a board's memory has run out.
"""

import shutil
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path, PurePosixPath

import pytest
import torch

from edgewright.errors import RunnerError, TargetError
from edgewright.measure.deployment import Deployed, deploy
from edgewright.measure.measuring import infer, measure
from edgewright.measure.protocol import Protocol
from edgewright.modality.image_spec import ImageInputSpec
from edgewright.runtimes.executorch import export as executorch
from edgewright.runtimes.subject import export_input
from edgewright.runtimes.table import RUNTIMES
from edgewright.specs.signature import Call
from edgewright.targets import open_target
from edgewright.targets.base import Completed, Target
from edgewright.targets.board.disk_image import KEYRING, debian_mirror
from tests import artifacts
from tests.calls import compared, pixel_calls, rows_of, text_calls

pytestmark = pytest.mark.emulated
LIMIT_S = 300.0
PROGRAMS = "cat chmod cp cut date dd df env find grep head kill ln ls mkdir mv rm sed sh sha256sum sleep sort".split()
PROGRAMS += "stat sync tail tar touch tr uname wc".split()
ARMHF = "coreutils dash findutils grep gzip libatomic1 libc-bin libpython3.11-stdlib mawk python3 python3-distutils"
ARMHF += " python3-minimal python3-numpy libstdc++6 sed tar util-linux"
BRIEF = Protocol(restarts=1, warmup_runs=1, samples=2, warmup_s=0.0, min_seconds=0.0)


class InRoot:
    """A board as it is seen from a root directory of its own; what runs there finds nothing of the rest."""

    emulated = True

    def __init__(self, board: Target, root: str, home: str, path: str) -> None:
        for name in ("proc", "sys", "dev"):
            bound = f"mkdir -p {root}/{name} && busybox mount -o bind /{name} {root}/{name}"
            assert board.run(["sh", "-c", bound], timeout_s=LIMIT_S).status == 0
        self._board, self._root, self._path = board, root, path
        self.address, self.home = board.address, PurePosixPath(home)
        self.close = board.close

    def put(self, source: Path | bytes, remote: PurePosixPath) -> None:
        self._board.put(source, PurePosixPath(self._root + str(remote)))

    def get(self, remote: PurePosixPath, local: Path) -> None:
        self._board.get(PurePosixPath(self._root + str(remote)), local)

    def run(self, argv: Sequence[str], *, timeout_s: float, stdin: str = "") -> Completed:
        inside = ["chroot", self._root, self._path.split(":")[0] + "/env", "-i", f"PATH={self._path}", *argv]
        return self._board.run(inside, timeout_s=timeout_s, stdin=stdin)


@pytest.fixture(scope="module")
def zero() -> Iterator[Target]:
    with closing(open_target("emulated://raspberry-pi-zero-2-w")) as opened:
        yield opened


@pytest.fixture(scope="module")
def bare(zero: Target) -> InRoot:
    """Nothing but a kernel and one static program of many names, below the folder that a phone lets its users write."""
    root = "/bare"
    links = " ".join(f"&& ln -s busybox {root}/system/bin/{name}" for name in PROGRAMS)
    made = f"mkdir -p {root}/system/bin {root}/data/local/tmp && cp /bin/busybox {root}/system/bin/ {links}"
    assert zero.run(["sh", "-c", made], timeout_s=LIMIT_S).status == 0
    return InRoot(zero, root, "/data/local/tmp/edgewright", "/system/bin")


@pytest.fixture(scope="module")
def narrow(zero: Target, tmp_path_factory: pytest.TempPathFactory) -> InRoot:
    """Debian's armhf, with its own NumPy."""
    if shutil.which("mmdebstrap") is None:
        pytest.skip("mmdebstrap is not installed")
    archive = tmp_path_factory.mktemp("armhf") / "root.tar"
    options = ["--mode=root", "--architectures=armhf", "--variant=extract", "--skip=check/qemu", f"--keyring={KEYRING}"]
    left_out = [f"--dpkgopt=path-exclude=/usr/share/{name}/*" for name in ("doc", "man", "locale")]
    packages = ",".join(ARMHF.split())
    command = [
        "mmdebstrap",
        *options,
        *left_out,
        '--aptopt=Acquire::Check-Valid-Until "false"',
        f"--include={packages}",
    ]
    subprocess.run([*command, "bookworm", str(archive), *debian_mirror()], check=True, capture_output=True, timeout=300)
    zero.put(archive, PurePosixPath("/narrow.tar"))
    unpacked = "mkdir /narrow && tar -x -C /narrow --exclude=./dev/* -f /narrow.tar && rm /narrow.tar"
    assert zero.run(["sh", "-c", unpacked], timeout_s=LIMIT_S).status == 0
    # Its packages were only unpacked, so what their maintainer scripts choose between is chosen here.
    chosen = "cd /narrow/usr/lib/arm-linux-gnueabihf && ln -sf blas/libblas.so.3 . && ln -sf lapack/liblapack.so.3 ."
    assert zero.run(["sh", "-c", chosen], timeout_s=LIMIT_S).status == 0
    return InRoot(zero, "/narrow", "/root/.edgewright", "/usr/bin:/bin")


def deployed(target: InRoot, runtime: str) -> Deployed:
    file = artifacts.int8_pte()[0] if runtime == "executorch" else artifacts.float_tflite()
    return deploy(target, file, runtime=runtime)


def calls_to(there: Deployed) -> tuple[Call, ...]:
    ids = [row.ids for row in artifacts.rows_of_every_length()]
    return text_calls(ids, runtime=there.runtime.runtime.name, lengths=artifacts.LENGTHS)


def outputs_are_right(target: InRoot, there: Deployed) -> bool:
    found = rows_of(infer(target, there.artifact, there.runtime, calls_to(there)))
    return compared(found, artifacts.expected()).passed


def test_the_native_runner_brings_its_own_c_library_where_there_is_none(bare: InRoot) -> None:
    there = deployed(bare, "executorch")
    assert any(part.endswith("ld-linux-aarch64.so.1") for part in there.runtime.runtime.argv)
    assert outputs_are_right(bare, there)
    seen = measure(bare, there.artifact, there.runtime, calls_to(there), protocol=BRIEF)
    assert seen.latency is not None
    assert seen.machine_before["libc"] is None
    assert seen.memory["steady"]["anonymous_bytes"] > 0


def test_a_runtime_that_needs_glibc_is_refused_where_there_is_none(bare: InRoot) -> None:
    with pytest.raises(TargetError, match="does not have glibc, which litert needs; use executorch"):
        deployed(bare, "litert")


@pytest.mark.slow
def test_tflite_runs_where_programs_have_32_bits_with_debians_numpy(narrow: InRoot) -> None:
    there = deployed(narrow, "tflite")
    assert not any(name.startswith("site/numpy/") for name in there.runtime.runtime.files)
    assert outputs_are_right(narrow, there)


@pytest.mark.slow
def test_the_native_runner_runs_where_programs_have_32_bits_and_the_kernel_64(narrow: InRoot) -> None:
    assert outputs_are_right(narrow, deployed(narrow, "executorch"))


@pytest.mark.slow
def test_litert_is_refused_where_programs_have_32_bits(narrow: InRoot) -> None:
    with pytest.raises(TargetError, match="litert cannot be provided for a armv7l machine"):
        deployed(narrow, "litert")


class Hungry(torch.nn.Module):
    """Images → three numbers, by way of twice so many megabytes."""

    def __init__(self, megabytes: int) -> None:
        super().__init__()
        self.times = megabytes * 1_000_000 // (4 * 4 * 4 * 3)

    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        row = pixels.to(torch.float32).flatten(1)
        wide = row.repeat(1, self.times)
        return (wide * wide).sum(1, keepdim=True).repeat(1, 3)


@pytest.mark.parametrize(
    ("megabytes", "how"),
    [
        (245, "the runner was killed on the device, most likely because its memory ran out (it held"),
        (2000, "the artifact needs more memory than the device gives it (it held"),
    ],
)
def test_a_runner_whose_memory_ran_out_says_what_it_held_and_what_there_is(
    zero: Target, tmp_path: Path, megabytes: int, how: str
) -> None:
    file = tmp_path / "hungry.pte"
    executorch.export(
        export_input(Hungry(megabytes), ImageInputSpec(height=4, width=4, channels=3), RUNTIMES["executorch"]), file
    )
    there = deploy(zero, file, runtime="executorch")
    pixels = torch.zeros(1, 4, 4, 3, dtype=torch.uint8).numpy()
    with pytest.raises(RunnerError) as caught:
        measure(zero, there.artifact, there.runtime, pixel_calls(pixels), protocol=BRIEF)
    said = str(caught.value)
    assert how in said
    assert "; the machine has" in said
    assert zero.run(["ls", str(zero.home / "jobs")], timeout_s=60).stdout == ""


@pytest.mark.parametrize("options", ["size=64k", "size=64k,ro"])
def test_a_job_that_finds_no_room_or_may_not_write_is_told_and_leaves_the_device_as_it_was(
    zero: Target, options: str
) -> None:
    file = artifacts.int8_pte()[0]
    there = deploy(zero, file, runtime="executorch")
    jobs = str(zero.home / "jobs")
    mounted = f"mkdir -p {jobs} && busybox mount -t tmpfs -o {options} none {jobs}"
    assert zero.run(["sh", "-c", mounted], timeout_s=60).status == 0
    try:
        with pytest.raises(TargetError) as caught:
            infer(zero, there.artifact, there.runtime, text_calls([[1] * 20] * 2000, runtime="executorch"))
        assert ("Read-only" in str(caught.value)) is options.endswith("ro")
        assert zero.run(["ls", jobs], timeout_s=60).stdout == ""
    finally:
        zero.run(["busybox", "umount", jobs], timeout_s=60)
    assert infer(zero, there.artifact, there.runtime, text_calls([[1, 2, 3]], runtime="executorch"))
