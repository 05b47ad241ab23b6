"""What is provided for a machine is really built, fetched and run; a cross-built runner runs under user-mode QEMU."""

import platform
import shutil
import subprocess
import sys
import threading
import zipfile
from pathlib import Path, PurePosixPath

import pytest

from edgewright.base.once import made_once
from edgewright.errors import EnvironmentFaultError, TargetError, UnsupportedModelError
from edgewright.measure.parity import compare
from edgewright.runtimes import device as runtimes
from edgewright.runtimes.device import WHEELS, device_python, runtime_for
from edgewright.runtimes.executorch import native
from edgewright.runtimes.wheels import extract
from tests import artifacts
from tests.device_scripts.artifacts import Artifact, artifact_for, expected, lay_out, run_job, write_job

CROSS = shutil.which("aarch64-linux-gnu-g++") is not None
needs_cross = pytest.mark.skipif(not CROSS, reason="g++-aarch64-linux-gnu is not installed")
HERE = platform.machine()
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
def test_what_a_runner_is_prebuilt_with_is_used_for_the_same_source_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = tmp_path / "runner"
    shutil.copytree(native._source_folder(), source)
    place = native.prebuild("aarch64", tmp_path / "prebuilt")
    monkeypatch.setattr(native, "_source_folder", lambda: source)
    assert native.native_files("aarch64")[1][native.PROGRAM] == place / native.PROGRAM
    (source / "runner.cpp").write_text("// changed")
    monkeypatch.setenv("PATH", "")
    with pytest.raises(EnvironmentFaultError, match="apt-get install"):
        native.native_files("aarch64")


@needs_cross
def test_the_native_runner_for_a_device_needs_no_c_library_newer_than_debian_12() -> None:
    needs = dynamic_needs(runtime_for("executorch", machine="aarch64").files[native.PROGRAM], "-V")
    versions = {tuple(map(int, word[6:].split("."))) for word in needs.split() if word.startswith("GLIBC_")}
    assert max(versions) <= tuple(map(int, native.NEEDED_GLIBC.split(".")))


@needs_cross
@needs_qemu
@pytest.mark.parametrize("core", ["cortex-a53", "cortex-a72", "cortex-a76"])
def test_the_cross_built_runner_gives_torchs_outputs_on_the_instructions_of_each_core(
    tmp_path: Path, core: str
) -> None:
    made, artifact = runtime_for("executorch", machine="aarch64"), artifact_for("executorch")
    ran = run_job(made, lay_out(made, tmp_path / "runtime"), write_job(tmp_path, artifact), through=emulator(core))
    assert ran.status == 0
    for found, meant in zip(ran.document["outputs"], expected(), strict=True):
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
    assert compare(ran.document["outputs"], artifacts.expected()).passed is right


def test_the_runner_is_built_once_and_the_same_source_gives_the_same_bytes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = runtime_for("executorch", machine=HERE).files[native.PROGRAM]
    assert runtime_for("executorch", machine=HERE).files[native.PROGRAM] == first
    monkeypatch.setenv("EDGEWRIGHT_CACHE_DIR", str(tmp_path))
    again = runtime_for("executorch", machine=HERE).files[native.PROGRAM]
    assert again != first
    assert again.read_bytes() == first.read_bytes()
    assert str(tmp_path).encode() not in again.read_bytes()


def test_a_missing_compiler_is_told_with_the_packages_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(EnvironmentFaultError, match=r"apt-get install .*cmake nlohmann-json3-dev"):
        runtime_for("executorch", machine=HERE)


def test_a_source_that_does_not_compile_is_told_and_leaves_nothing_in_the_cache(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = tmp_path / "runner"
    shutil.copytree(native._source_folder(), source)
    (source / "runner.cpp").write_text("int main() { return nothing; }")
    monkeypatch.setattr(native, "_source_folder", lambda: source)
    monkeypatch.setenv("EDGEWRIGHT_CACHE_DIR", str(tmp_path / "cache"))
    with pytest.raises(EnvironmentFaultError, match=r"nothing.* was not declared"):
        runtime_for("executorch", machine=HERE)
    assert [path for path in (tmp_path / "cache" / "runners").iterdir() if path.suffix != ".lock"] == []


def test_litert_for_a_device_is_trimmed_to_what_it_opens() -> None:
    made = device_python("litert", "aarch64", "3.11")
    assert made.size_bytes < 60e6
    assert len(made.files) < 150
    assert "python_runner.py" in made.files
    assert any(name.endswith("libpywrap_litert_common.so") for name in made.files)
    assert not any("WebGpu" in name or "/tests/" in name or name.endswith(".pyi") for name in made.files)
    assert all(b"aarch64" in path.read_bytes() for name, path in made.files.items() if "wrapper" in name)


@pytest.mark.parametrize("runtime", WHEELS)
def test_the_trimmed_wheels_run_a_model_without_anything_else_installed(tmp_path: Path, runtime: str) -> None:
    made, artifact = device_python(runtime, HERE, runtimes.running_python()), artifact_for(runtime)
    place, job = lay_out(made, tmp_path / "runtime"), write_job(tmp_path, artifact)
    command = list(made.command(PurePosixPath(place), PurePosixPath(job)))
    # The interpreter behind the virtual environment knows none of its packages.
    python = Path(sys.executable).resolve()
    command[command.index("python3") : command.index("python3") + 1] = [str(python), "-S"]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=60, env={}, check=False)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert f'"runtime_version": "{made.version}"' in ended.stdout


@pytest.mark.parametrize("runtime", [name for name, wheel in WHEELS.items() if wheel.pinned is None])
def test_a_runtime_in_python_uses_the_packages_of_this_machine_here(runtime: str) -> None:
    made = runtime_for(runtime, machine=HERE)
    assert list(made.files) == ["python_runner.py", "machine_watch.py"]
    assert sys.executable in made.argv


def test_a_runtime_that_goes_with_an_older_numpy_is_brought_along_here_too() -> None:
    made = runtime_for("tflite", machine=HERE)
    assert made.version == "2.14.0"
    assert sys.executable in made.argv
    assert any(name.startswith("site/numpy/core/_multiarray_umath.") for name in made.files)
    assert not any("/tests/" in name or name.endswith((".py", ".h")) for name in made.files if name.startswith("site/"))


def test_the_command_names_the_places_on_the_device() -> None:
    made = device_python("litert", "aarch64", "3.11")
    command = made.command(PurePosixPath("/home/pi/runtime"), PurePosixPath("/home/pi/job {runtime}.json"))
    assert command[0] == "env"
    assert "PYTHONPATH=/home/pi/runtime/site" in command
    assert command[-4:] == (
        "python3",
        "/home/pi/runtime/python_runner.py",
        "litert",
        "/home/pi/job {runtime}.json",
    )


def test_on_32_bit_arm_tflite_uses_the_numpy_that_the_device_has() -> None:
    made = runtime_for("tflite", machine="armv7l", python="3.11")
    assert any("_pywrap_tensorflow_interpreter_wrapper" in name for name in made.files)
    assert not any(name.startswith("site/numpy") for name in made.files)
    with pytest.raises(TargetError, match="litert cannot be provided for a armv7l machine"):
        runtime_for("litert", machine="armv7l", python="3.11")


@pytest.mark.parametrize("machine", ["riscv64", "armv7l", "", "../x86_64"])
def test_a_machine_without_a_runtime_is_refused_with_those_that_have_one(machine: str) -> None:
    with pytest.raises(TargetError, match="supported are x86_64, aarch64"):
        runtime_for("executorch", machine=machine)


def test_an_unknown_runtime_is_refused_with_the_known_ones() -> None:
    with pytest.raises(UnsupportedModelError, match="executorch, litert, onnx, tflite"):
        runtime_for("tensorrt", machine="aarch64")


@pytest.mark.parametrize("python", ["2.7", "3", "3.11; rm"])
def test_a_device_with_no_fitting_python_is_refused(python: str) -> None:
    with pytest.raises(TargetError, match="needs Python 3"):
        device_python("litert", "aarch64", python)


def test_a_wheel_that_does_not_exist_is_told_in_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EDGEWRIGHT_CACHE_DIR", str(tmp_path))
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    with pytest.raises(EnvironmentFaultError, match="check the network") as caught:
        runtime_for("litert", machine="aarch64", python="3.12")
    assert "\n" not in str(caught.value)
    assert not [path for path in tmp_path.rglob("*") if path.is_file() and path.suffix != ".lock"]


@pytest.mark.parametrize("member", ["../outside", "/outside", "lib/../../outside", "lib\\..\\outside"])
def test_no_member_of_a_wheel_can_leave_its_folder(tmp_path: Path, member: str) -> None:
    with zipfile.ZipFile(tmp_path / "evil.whl", "w") as archive:
        archive.writestr(member, "x")
    (tmp_path / "into").mkdir()
    with pytest.raises(EnvironmentFaultError, match="outside its folder"):
        extract(tmp_path / "evil.whl", tmp_path / "into", lambda _: True)
    assert not (tmp_path / "outside").exists()


def test_a_damaged_wheel_is_told_with_what_to_delete(tmp_path: Path) -> None:
    (tmp_path / "damaged.whl").write_bytes(b"PK\x03\x04 and then nothing")
    with pytest.raises(EnvironmentFaultError, match=r"delete .*damaged\.whl"):
        extract(tmp_path / "damaged.whl", tmp_path, lambda _: True)


def test_what_is_made_once_is_made_by_one_of_many(tmp_path: Path) -> None:
    made: list[int] = []

    def make(into: Path) -> None:
        made.append(1)
        (into / "file").write_text("whole")

    def ask() -> None:
        made_once(tmp_path / "place", make)

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert made == [1]
    assert (tmp_path / "place" / "file").read_text() == "whole"


def test_what_fails_to_be_made_leaves_nothing(tmp_path: Path) -> None:
    def fail(into: Path) -> None:
        (into / "half").write_text("half")
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        made_once(tmp_path / "place", fail)
    assert [path.name for path in tmp_path.iterdir() if not path.name.endswith(".lock")] == []
