"""Build the native ExecuTorch runner for this machine or, with Debian's cross compiler, for a device.

In:  the processor; the runner's source in device_scripts/ and the C++ SDK inside ExecuTorch's wheel.
Out: the files a machine needs to run a .pte: the runner and the wheel's libraries; for a machine whose C library is
     another or too old, also a loader and C library of their own. Built once, then cached; a distribution of Edgewright
     brings along what it was `prebuilt` with, so that nobody else needs a compiler.
What drives the runner is `protocol`'s concern.
"""

import hashlib
import json
import logging
import os
import platform
import shutil
import subprocess
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from edgewright.base.once import made_once
from edgewright.base.places import cache_dir
from edgewright.errors import EnvironmentFaultError
from edgewright.runtimes.wheels import fetch_wheel, installed_folder, installed_version, unpacked

log = logging.getLogger(__name__)

PROGRAM = "edgewright-runner"
OPERATOR_LIBRARIES = ("edgewright 1",)  # what device_scripts/runner/operators.cpp has, and its version
OPERATORS = "edgewright-operators.so"  # those that the runner has in it, for a Python process
PURPOSE = "run ExecuTorch artifacts"
LIBRARIES = (
    "libexecutorch.so",
    "libexecutorch_backend_xnnpack.so",
    "libexecutorch_etdump.so",
    "libexecutorch_kernels_optimized.so",
    "libexecutorch_kernels_quantized.so",
    "libexecutorch_threadpool.so",
)
NEEDED_GLIBC = "2.34"  # what the runner is linked with on Debian 12 has symbols of it
LOADERS = {"x86_64": "ld-linux-x86-64.so.2", "aarch64": "ld-linux-aarch64.so.1"}
C_LIBRARIES = ("libc.so.6", "libdl.so.2", "libgcc_s.so.1", "libm.so.6", "libpthread.so.0", "libstdc++.so.6")
PREBUILT, MADE_FROM = "prebuilt", "made-from.json"
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


def own_c_library(machine: str) -> Mapping[str, Path]:
    """A loader and the C and C++ libraries for a processor, by their names on the device: those of the compiler.

    With them a program runs on a system that has none of its own, as Android, or a kernel and nothing else.
    """
    names = (LOADERS[machine], *C_LIBRARIES)
    if (folder := _prebuilt(machine)) is not None:
        return {name: folder / name for name in names}
    compiler = compiler_for(machine)
    if shutil.which(compiler.program) is None:
        raise _missing(compiler.program, compiler)
    found = {name: Path(_first_line([compiler.program, f"-print-file-name={name}"])) for name in names}
    for name, path in found.items():
        if not path.is_file():
            raise _missing(name, compiler)
    return {name: path.resolve() for name, path in found.items()}


def operators() -> Path:
    """The library of Edgewright's own operators for this machine, built with its runner."""
    machine, version = platform.machine(), installed_version("executorch", PURPOSE)
    return built_runner(machine, sdk_folder(machine, version), version).parent / OPERATORS


def prebuild(machine: str, into: Path) -> Path:
    """Put the runner, a loader and the C library for a processor below a folder, as a distribution ships them.

    Its `MADE_FROM` says from which source; only that source's own are used.
    """
    version = installed_version("executorch", PURPOSE)
    program = built_runner(machine, sdk_folder(machine, version), version)
    place = into / machine
    place.mkdir(parents=True, exist_ok=True)
    built = {PROGRAM: program, OPERATORS: program.parent / OPERATORS}
    for name, source in {**built, **own_c_library(machine)}.items():
        shutil.copyfile(source, place / name)
        (place / name).chmod(0o755)
    (place / MADE_FROM).write_text(json.dumps({"key": _key(_source_folder(), machine, version)}), encoding="utf-8")
    return place


def _prebuilt(machine: str) -> Path | None:
    """What a distribution of Edgewright has of a runner made from this very source."""
    place = _source_folder().parent / PREBUILT / machine
    try:
        made_from = json.loads((place / MADE_FROM).read_bytes())
    except (OSError, ValueError):
        return None
    wanted = _key(_source_folder(), machine, installed_version("executorch", PURPOSE))
    return place if made_from == {"key": wanted} else None


def sdk_folder(machine: str, version: str) -> Path:
    """The wheel's `executorch` folder with include/ and lib/: the installed one, or a fetched one for a device."""
    installed = installed_folder("executorch")
    if machine == platform.machine() and installed and (installed / "lib" / LIBRARIES[0]).is_file():
        return installed
    place = cache_dir("sdk") / f"executorch-{version}-{machine}"
    if not place.is_dir():
        wheel = fetch_wheel(f"executorch=={version}", machine=machine, python=SDK_PYTHON)
        unpacked(wheel, place, lambda name: name.startswith(("executorch/include/", "executorch/lib/")))
    with suppress(OSError):
        os.utime(place)  # used last: what is swept first is what nobody uses
    return place / "executorch"


def built_runner(machine: str, sdk: Path, version: str) -> Path:
    """The runner's program for a processor, compiled unless it came along or this SDK and compiler already made it."""
    if (folder := _prebuilt(machine)) is not None:
        return folder / PROGRAM
    compiler = compiler_for(machine)
    for program in ("cmake", compiler.program):
        if shutil.which(program) is None:
            raise _missing(program, compiler)
    source = _source_folder()
    key = _key(source, machine, version, _first_line([compiler.program, "--version"]))
    place = cache_dir("runners") / f"{machine}-{key}"
    return made_once(place, lambda into: _build(source, into, sdk, version, compiler)) / PROGRAM


def _source_folder() -> Path:
    package = installed_folder("edgewright.device_scripts")
    if package is None or not (package / "runner" / "CMakeLists.txt").is_file():
        remedy = "install edgewright again"
        raise EnvironmentFaultError("the runner's source (device_scripts/runner)", PURPOSE, remedy)
    return package / "runner"


def _build(source: Path, into: Path, sdk: Path, version: str, compiler: Compiler) -> None:
    log.info("compiling the ExecuTorch runner with %s, once; it takes about a minute …", compiler.program)
    work = into / "build"
    configure = ["cmake", "-S", str(source), "-B", str(work), f"-DSDK={sdk}", f"-DEXECUTORCH_VERSION={version}"]
    if compiler.toolchain_file:
        configure.append(f"-DCMAKE_TOOLCHAIN_FILE={source / compiler.toolchain_file}")
    for command in (configure, ["cmake", "--build", str(work)]):
        _run(command, compiler)
    for name in (PROGRAM, OPERATORS):
        (work / name).rename(into / name)
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
