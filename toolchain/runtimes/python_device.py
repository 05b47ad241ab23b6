"""A runtime that a Python interpreter runs on a machine: its wheel, NumPy and our script.

In:  a `Wheel`: which package it is, and which of its files running a model needs.
Out: `PythonProvider`, whose `DeviceRuntime`s are the script alone on this machine, and all three on a device.
"""

import compileall
import platform
import py_compile
import re
import sys
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

from edgewright.base.once import made_once
from edgewright.base.places import cache_dir
from edgewright.errors import EnvironmentFaultError, TargetError
from edgewright.runtimes.descriptor import System, Variant
from edgewright.runtimes.device import DeviceRuntime
from edgewright.runtimes.table import runtimes_that
from edgewright.runtimes.wheels import extract, fetch_wheel, installed_folder, installed_version

MACHINES = ("x86_64", "aarch64")
RUNNER_SCRIPT = "python_runner.py"
RUNNER_SCRIPTS = (RUNNER_SCRIPT, "drafting.py", "generation.py", "job_reading.py", "machine_watch.py")
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


@dataclass(frozen=True, kw_only=True)
class PythonProvider:
    """The runtime `name`, which the script knows by it, from a wheel."""

    name: str
    wheel: Wheel
    in_python: bool = True
    brings_c_library: bool = False
    least_glibc: str = "2.27"  # what the wheels are built against

    @property
    def machines(self) -> tuple[str, ...]:
        """The processors that there are wheels for."""
        return self.wheel.machines

    def provide(self, variant: Variant) -> DeviceRuntime:
        """This machine's own package where that will do, else one that is brought along."""
        machine, python = variant.machine, variant.python
        if machine == platform.machine() and python in (None, running_python()):
            if self.wheel.pinned is None and self.wheel.is_installed:
                return self.on_host()
            return self.on_device(machine, running_python(), interpreter=sys.executable)
        return self.on_device(machine, python or DEFAULT_PYTHON)

    def variant_for(self, system: System) -> Variant:
        """What runs there, by the machine's Python. Raises `TargetError` for one without glibc."""
        if system.libc is None:
            others = runtimes_that(lambda runtime: runtime.provider.brings_c_library)
            raise TargetError(
                f"{system.address} does not have glibc, which {self.name} needs; use {' or '.join(others)}, which "
                "brings its own"
            )
        machine = ARMHF if system.is_narrow_arm else system.machine
        return Variant(machine=machine, python=None if system.is_host else system.python)

    def on_host(self) -> DeviceRuntime:
        """For this machine: its own interpreter and packages, so the script is all that is pushed."""
        version = installed_version(self.wheel.package, self.wheel.purpose)
        argv = ("env", *ENVIRONMENT, sys.executable, f"{{runtime}}/{RUNNER_SCRIPT}", self.name, "{job}")
        files = MappingProxyType(_runner_scripts(self.wheel.purpose))
        return DeviceRuntime(name=self.name, version=version, files=files, argv=argv)

    def on_device(self, machine: str, python: str, *, interpreter: str = "python3") -> DeviceRuntime:
        """For a device that has Python and nothing else: the package comes along, NumPy where it has wheels."""
        if re.fullmatch(r"3\.\d{1,2}", python) is None:
            raise TargetError(f"the {self.name} runner needs Python 3 on the device, and it has {python}")
        version, numpy = self.wheel.versions(python)
        # Only bytecode of the same Python can be made here; it saves a small board seconds at every start.
        compiled = python == running_python()
        name = f"{self.name}-{version}-numpy-{numpy}-{machine}-py{python}-{'pyc' if compiled else 'py'}-{LAYOUT}"
        wanted = {f"{self.wheel.package}=={version}": self.wheel.keeps}
        if machine != ARMHF:
            wanted[f"numpy=={numpy}"] = keep_of_old_numpy if numpy.startswith("1.") else keep_of_numpy

        def make(into: Path) -> None:
            for requirement, keep in wanted.items():
                extract(fetch_wheel(requirement, machine=machine, python=python), into, keep)
            if compiled:
                leave_only_bytecode(into)

        site = made_once(cache_dir("runtimes") / name, make)
        files = {f"{SITE}/{path.relative_to(site).as_posix()}": path for path in _files_in(site)}
        files.update(_runner_scripts(self.wheel.purpose))
        paths = (f"PYTHONPATH={{runtime}}/{SITE}", "PYTHONDONTWRITEBYTECODE=1")
        argv = ("env", *ENVIRONMENT, *paths, interpreter, f"{{runtime}}/{RUNNER_SCRIPT}", self.name, "{job}")
        return DeviceRuntime(name=self.name, version=version, files=MappingProxyType(files), argv=argv)


def running_python() -> str:
    """The version of this interpreter as the device's is given: "3.11"."""
    return f"{sys.version_info.major}.{sys.version_info.minor}"


def _files_in(folder: Path) -> list[Path]:
    return [path for path in sorted(folder.rglob("*")) if path.is_file()]


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
