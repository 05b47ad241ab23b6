"""Build the native ExecuTorch runner for this machine or, with Debian's cross compiler, for a device.

In:  the processor; the runner's source in device_scripts/ and the C++ SDK inside ExecuTorch's wheel.
Out: the files a machine needs to run a .pte: the runner and the wheel's libraries. Built once, then cached.
What drives the runner is `protocol`'s concern.
"""

import hashlib
import platform
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from toolchain.errors import EnvironmentFaultError
from toolchain.measure.wheels import fetch_wheel, installed_folder, installed_version, unpacked
from toolchain.once import made_once
from toolchain.places import cache_dir

PROGRAM = "edgewright-runner"
PURPOSE = "run ExecuTorch artifacts"
LIBRARIES = (
    "libexecutorch.so",
    "libexecutorch_backend_xnnpack.so",
    "libexecutorch_etdump.so",
    "libexecutorch_kernels_optimized.so",
    "libexecutorch_kernels_quantized.so",
    "libexecutorch_threadpool.so",
)
SDK_PYTHON = "3.11"  # the SDK holds no Python, but a wheel is named for one
BUILD_LIMIT_S = 600.0


@dataclass(frozen=True, kw_only=True)
class Compiler:
    """How to build for one processor; `toolchain_file` is empty for the machine's own compiler."""

    program: str
    packages: str
    toolchain_file: str = ""


def compiler_for(machine: str) -> Compiler:
    """The machine's own compiler for its own processor, a cross compiler for aarch64."""
    if machine == platform.machine():
        return Compiler(program="g++", packages="g++ cmake nlohmann-json3-dev")
    packages = f"g++-{machine}-linux-gnu cmake nlohmann-json3-dev".replace("_", "-")
    return Compiler(program=f"{machine}-linux-gnu-g++", packages=packages, toolchain_file=f"{machine}.cmake")


def native_files(machine: str) -> tuple[str, Mapping[str, Path]]:
    """ExecuTorch's version, and the files that run a .pte on "x86_64" or "aarch64", by their names on the device.

    Raises `EnvironmentFaultError` when a compiler, CMake, a header or the wheel is missing.
    """
    version = installed_version("executorch", PURPOSE)
    sdk = sdk_folder(machine, version)
    program = built_runner(machine, sdk, version)
    return version, {PROGRAM: program, **{name: sdk / "lib" / name for name in LIBRARIES}}


def sdk_folder(machine: str, version: str) -> Path:
    """The wheel's `executorch` folder with include/ and lib/: the installed one, or a fetched one for a device."""
    installed = installed_folder("executorch")
    if machine == platform.machine() and installed and (installed / "lib" / LIBRARIES[0]).is_file():
        return installed
    place = cache_dir("sdk") / f"executorch-{version}-{machine}"
    if not place.is_dir():
        wheel = fetch_wheel(f"executorch=={version}", machine=machine, python=SDK_PYTHON)
        unpacked(wheel, place, lambda name: name.startswith(("executorch/include/", "executorch/lib/")))
    return place / "executorch"


def built_runner(machine: str, sdk: Path, version: str) -> Path:
    """The runner's program for a processor, compiled unless this source, SDK and compiler already made it."""
    compiler = compiler_for(machine)
    for program in ("cmake", compiler.program):
        if shutil.which(program) is None:
            raise _missing(program, compiler)
    source = _source_folder()
    key = _key(source, machine, version, _first_line([compiler.program, "--version"]))
    place = cache_dir("runners") / f"{machine}-{key}"
    return made_once(place, lambda into: _build(source, into, sdk, version, compiler)) / PROGRAM


def _source_folder() -> Path:
    package = installed_folder("device_scripts")
    if package is None or not (package / "runner" / "CMakeLists.txt").is_file():
        remedy = "install edgewright again"
        raise EnvironmentFaultError("the runner's source (device_scripts/runner)", PURPOSE, remedy)
    return package / "runner"


def _build(source: Path, into: Path, sdk: Path, version: str, compiler: Compiler) -> None:
    work = into / "build"
    configure = ["cmake", "-S", str(source), "-B", str(work), f"-DSDK={sdk}", f"-DEXECUTORCH_VERSION={version}"]
    if compiler.toolchain_file:
        configure.append(f"-DCMAKE_TOOLCHAIN_FILE={source / compiler.toolchain_file}")
    for command in (configure, ["cmake", "--build", str(work)]):
        _run(command, compiler)
    (work / PROGRAM).rename(into / PROGRAM)
    shutil.rmtree(work)


def _run(command: list[str], compiler: Compiler) -> None:
    try:
        ended = subprocess.run(command, capture_output=True, text=True, timeout=BUILD_LIMIT_S, check=False)
    except subprocess.TimeoutExpired as error:
        remedy = f"the build did not end within {BUILD_LIMIT_S:g} s; run this again when the machine is less busy"
        raise EnvironmentFaultError("a built runner", PURPOSE, remedy) from error
    if ended.returncode == 0:
        return
    if "missing-package: nlohmann-json3-dev" in ended.stderr:
        raise _missing("nlohmann/json.hpp", compiler)
    lines = [line.strip() for line in (ended.stdout + ended.stderr).splitlines() if line.strip()]
    reason = next((line for line in lines if "error" in line.lower()), lines[-1] if lines else "no output")
    remedy = f"check the compiler with: apt-get install {compiler.packages} ({reason[:300]})"
    raise EnvironmentFaultError("a working compiler for the runner", PURPOSE, remedy)


def _missing(what: str, compiler: Compiler) -> EnvironmentFaultError:
    return EnvironmentFaultError(what, "build the ExecuTorch runner", f"apt-get install {compiler.packages}")


def _first_line(command: list[str]) -> str:
    ended = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
    return (ended.stdout.splitlines() or [""])[0]


def _key(source: Path, *parts: str) -> str:
    digest = hashlib.sha256("\0".join(parts).encode())
    for file in sorted(source.iterdir()):
        if file.is_file():
            digest.update(f"\0{file.name}\0".encode() + file.read_bytes())
    return digest.hexdigest()[:16]
