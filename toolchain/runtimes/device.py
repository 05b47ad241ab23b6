"""What a machine needs to run an artifact: files to push, and the command that reads a job.

In:  a runtime's name ("executorch", "litert", "onnx" or "tflite"), the machine's processor, its Python.
Out: `DeviceRuntime`. Everything is made or fetched once and cached; pushing it is `targets.push`'s concern.
"""

import compileall
import platform
import py_compile
import re
import shutil
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from types import MappingProxyType

from edgewright.base.once import made_once
from edgewright.base.places import cache_dir
from edgewright.errors import EnvironmentFaultError, TargetError, UnsupportedModelError
from edgewright.runtimes.executorch.native import LOADERS, PROGRAM, native_files, own_c_library
from edgewright.runtimes.wheels import extract, fetch_wheel, installed_folder, installed_version

MACHINES = tuple(LOADERS)
RUNNER_SCRIPT = "python_runner.py"
RUNNER_SCRIPTS = (RUNNER_SCRIPT, "machine_watch.py")
SITE = "site"
ARMHF = "armv7l"  # there are no wheels of NumPy for it, so it is the device's own that is used
DEFAULT_PYTHON = "3.11"
# NumPy leaves old Pythons behind; for those, the last version that still has wheels.
OLDER_NUMPY = {"3.9": "2.0.2", "3.10": "2.2.6"}
LAYOUT = 3  # raise it when what is kept of the wheels changes
# One thread and no user packages: nothing but the interpreter under test shall take memory or processor time.
ENVIRONMENT = ("PYTHONNOUSERSITE=1", "OPENBLAS_NUM_THREADS=1")


@dataclass(frozen=True, kw_only=True)
class Wheel:
    """The Python package that runs a kind of artifact, and which of its files that needs.

    Its version and NumPy's are those that are installed here, where none are `pinned`: a package that goes with an
    older NumPy than ours can only be brought along, also on this machine. `machines` are those it is made for.
    """

    package: str
    kept: re.Pattern[str]
    purpose: str
    pinned: tuple[str, str] | None = None
    machines: tuple[str, ...] = MACHINES

    def versions(self, python: str) -> tuple[str, str]:
        """The package's and NumPy's, for a device's Python."""
        if self.pinned:
            return self.pinned
        numpy = OLDER_NUMPY.get(python) or installed_version("numpy", self.purpose)
        return installed_version(self.package, self.purpose), numpy

    @property
    def is_installed(self) -> bool:
        """Whether this interpreter has the package; else it is brought along, as to a device."""
        return installed_folder(self.package.replace("-", "_")) is not None

    def keeps(self, member: str) -> bool:
        """Whether running a model needs this member of the wheel."""
        return self.kept.fullmatch(member) is not None


WHEELS: Mapping[str, Wheel] = {
    # `ai_edge_litert.interpreter` imports two modules of its own package, its wrapper and NumPy; the rest of the wheel
    # (a GPU accelerator, the newer LiteRT library, converters, vendors' tools) is 25 MB that it never opens.
    "litert": Wheel(
        package="ai-edge-litert",
        purpose="run LiteRT artifacts",
        kept=re.compile(
            r"ai_edge_litert/(__init__|interpreter|metrics_interface|metrics_portable)\.py"
            r"|ai_edge_litert/(_pywrap_litert_interpreter_wrapper|libpywrap_litert_common)[^/]*\.so"
            r"|ai_edge_litert-[^/]*\.dist-info/METADATA"
        ),
    ),
    # Its Python module has the whole runtime in it; the library beside it is for programs in C.
    "onnx": Wheel(
        package="onnxruntime",
        purpose="run ONNX artifacts",
        kept=re.compile(
            r"onnxruntime/__init__\.py|onnxruntime/capi/[^/]*\.py|onnxruntime/capi/onnxruntime_pybind11_state[^/]*\.so"
            r"|onnxruntime-[^/]*\.dist-info/METADATA"
        ),
    ),
    # The last release of what LiteRT was before: the one for old systems, and for Python 3.9 to 3.11.
    "tflite": Wheel(
        package="tflite-runtime",
        purpose="run TFLite artifacts",
        kept=re.compile(
            r"tflite_runtime/(__init__|interpreter|metrics_interface|metrics_portable)\.py"
            r"|tflite_runtime/_pywrap_tensorflow_interpreter_wrapper[^/]*\.so|tflite_runtime-[^/]*\.dist-info/METADATA"
        ),
        pinned=("2.14.0", "1.26.4"),
        machines=(*MACHINES, ARMHF),
    ),
}
RUNTIMES = ("executorch", *WHEELS)


@dataclass(frozen=True, kw_only=True)
class DeviceRuntime:
    """A runtime ready to be pushed. `argv` may say {runtime}, where `files` lie, and {job}, the job file."""

    name: str
    version: str
    files: Mapping[str, Path]
    argv: tuple[str, ...]

    def command(self, runtime: PurePosixPath, job: PurePosixPath) -> tuple[str, ...]:
        """The command that runs a job file with the runtime in that directory."""
        return tuple(part.replace("{runtime}", str(runtime)).replace("{job}", str(job)) for part in self.argv)

    def copy_to(self, folder: Path) -> None:
        """Put all files into a folder, as they lie on a device."""
        for name, source in self.files.items():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(source, folder / name)
            (folder / name).chmod(source.stat().st_mode & 0o777)

    @property
    def size_bytes(self) -> int:
        """What all files take on the device."""
        return sum(path.stat().st_size for path in self.files.values())


def runtime_for(
    runtime: str, *, machine: str, python: str | None = None, with_c_library: bool = False
) -> DeviceRuntime:
    """The runtime for programs of a processor ("x86_64", "aarch64"; for tflite also "armv7l").

    `python` is the device's version, such as "3.11". With its own C library ExecuTorch needs none of the device's.
    Raises `TargetError` for a machine no runtime is made for, `EnvironmentFaultError` when a tool is missing.
    """
    machine = {"arm64": "aarch64", "amd64": "x86_64"}.get(machine.lower(), machine.lower())
    if runtime not in RUNTIMES:
        raise UnsupportedModelError(f"the runtime {runtime!r}", RUNTIMES)
    supported = WHEELS[runtime].machines if runtime in WHEELS else MACHINES
    if machine not in supported:
        raise TargetError(f"{runtime} cannot be provided for a {machine} machine; supported are {', '.join(supported)}")
    if runtime == "executorch":
        return _native(machine, with_c_library=with_c_library)
    if machine == platform.machine() and python in (None, running_python()):
        if WHEELS[runtime].pinned is None and WHEELS[runtime].is_installed:
            return host_python(runtime)
        return device_python(runtime, machine, running_python(), interpreter=sys.executable)
    return device_python(runtime, machine, python or DEFAULT_PYTHON)


def _native(machine: str, *, with_c_library: bool) -> DeviceRuntime:
    version, files = native_files(machine)
    argv: tuple[str, ...] = (f"{{runtime}}/{PROGRAM}", "{job}")
    if with_c_library:
        files = {**files, **own_c_library(machine)}
        argv = (f"{{runtime}}/{LOADERS[machine]}", "--library-path", "{runtime}", *argv)
    return DeviceRuntime(name="executorch", version=version, files=MappingProxyType(dict(files)), argv=argv)


def running_python() -> str:
    """The version of this interpreter as the device's is given: "3.11"."""
    return f"{sys.version_info.major}.{sys.version_info.minor}"


def host_python(runtime: str) -> DeviceRuntime:
    """A runtime in Python for this machine: its own interpreter and packages, so the script is all that is pushed."""
    wheel = WHEELS[runtime]
    version = installed_version(wheel.package, wheel.purpose)
    argv = ("env", *ENVIRONMENT, sys.executable, f"{{runtime}}/{RUNNER_SCRIPT}", runtime, "{job}")
    files = MappingProxyType(_runner_scripts(wheel.purpose))
    return DeviceRuntime(name=runtime, version=version, files=files, argv=argv)


def device_python(runtime: str, machine: str, python: str, *, interpreter: str = "python3") -> DeviceRuntime:
    """A runtime for a device that has Python and nothing else: the package comes along, NumPy where it has wheels."""
    wheel = WHEELS[runtime]
    if re.fullmatch(r"3\.\d{1,2}", python) is None:
        raise TargetError(f"the {runtime} runner needs Python 3 on the device, and it has {python}")
    version, numpy = wheel.versions(python)
    # Only bytecode of the same Python can be made here; it saves a small board seconds at every start.
    compiled = python == running_python()
    name = f"{runtime}-{version}-numpy-{numpy}-{machine}-py{python}-{'pyc' if compiled else 'py'}-{LAYOUT}"
    wanted = {f"{wheel.package}=={version}": wheel.keeps}
    if machine != ARMHF:
        wanted[f"numpy=={numpy}"] = keep_of_old_numpy if numpy.startswith("1.") else keep_of_numpy

    def make(into: Path) -> None:
        for requirement, keep in wanted.items():
            extract(fetch_wheel(requirement, machine=machine, python=python), into, keep)
        if compiled:
            leave_only_bytecode(into)

    site = made_once(cache_dir("runtimes") / name, make)
    files = {f"{SITE}/{path.relative_to(site).as_posix()}": path for path in sorted(site.rglob("*")) if path.is_file()}
    files.update(_runner_scripts(wheel.purpose))
    paths = (f"PYTHONPATH={{runtime}}/{SITE}", "PYTHONDONTWRITEBYTECODE=1")
    argv = ("env", *ENVIRONMENT, *paths, interpreter, f"{{runtime}}/{RUNNER_SCRIPT}", runtime, "{job}")
    return DeviceRuntime(name=runtime, version=version, files=MappingProxyType(files), argv=argv)


# What only developers use of a NumPy.
_DEVELOPERS = r"(^|/)tests/|\.(pyi|pxd|pyx|a|h|c|typed|ini|build)$|conftest\.py$|dist-info/(?!METADATA$)"
# And parts that `import numpy` leaves alone until they are named.
_NUMPY_DROPPED = re.compile(
    rf"{_DEVELOPERS}"
    r"|^numpy/(random|f2py|fft|polynomial|ma|testing|typing|distutils|ctypeslib|doc|_pyinstaller|core|char|rec|strings)/"
    r"|^numpy/_core/(include|lib)/|_core/(_simd|_[a-z_]*tests)\.[^/]*so$"
)


def keep_of_numpy(member: str) -> bool:
    """Whether `import numpy` and plain arrays need this member of NumPy's wheel."""
    return _NUMPY_DROPPED.search(member) is None


# The same of NumPy 1, which imports nearly all of its parts at once.
_OLD_NUMPY_DROPPED = re.compile(rf"{_DEVELOPERS}|^numpy/(f2py|testing|doc|_pyinstaller|core/include)/")


def keep_of_old_numpy(member: str) -> bool:
    """Whether `import numpy` and plain arrays need this member of the wheel of a NumPy before 2."""
    return _OLD_NUMPY_DROPPED.search(member) is None


def leave_only_bytecode(folder: Path) -> None:
    """Compile every module beside its source and drop the source; the bytecode is never compared with a clock."""
    unchecked = py_compile.PycInvalidationMode.UNCHECKED_HASH
    if not compileall.compile_dir(folder, quiet=2, legacy=True, invalidation_mode=unchecked, stripdir=folder):
        raise EnvironmentFaultError(
            "sound Python source in the wheels", "prepare a runtime in Python for a device", "run this again"
        )
    for source in folder.rglob("*.py"):
        source.unlink()


def _runner_scripts(purpose: str) -> dict[str, Path]:
    package = installed_folder("edgewright.device_scripts")
    found = {name: package / name for name in RUNNER_SCRIPTS} if package else {}
    if not found or not all(path.is_file() for path in found.values()):
        raise EnvironmentFaultError(f"device_scripts/{RUNNER_SCRIPT}", purpose, "install edgewright again")
    return found
