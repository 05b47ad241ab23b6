"""What a machine needs to run an artifact: files to push, and the command that reads a job.

In:  a runtime's name, and the machine's processor, its C library, its Python.
Out: `DeviceRuntime`. Everything is made or fetched once and cached; pushing it is `targets.push`'s concern.
"""

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath

from edgewright.errors import TargetError
from edgewright.runtimes.descriptor import Variant
from edgewright.runtimes.table import RUNTIMES

OTHER_NAMES = {"arm64": "aarch64", "amd64": "x86_64"}  # of the same processors


@dataclass(frozen=True, kw_only=True)
class DeviceRuntime:
    """A runtime ready to be pushed. `argv` may say {runtime}, where `files` lie, and {job}, the job file.

    `operators` are the libraries of operators that it has beside its own.
    """

    name: str
    version: str
    files: Mapping[str, Path]
    argv: tuple[str, ...]
    operators: tuple[str, ...] = ()

    def require(self, operators: Sequence[str], place: str) -> None:
        """Raise `TargetError` where the runtime of a place lacks one of the libraries that an artifact calls."""
        if lacking := [each for each in operators if each not in self.operators]:
            raise TargetError(
                f"the artifact calls the operator library {lacking[0]!r}, which {self.name} {self.version} on {place} "
                "does not have; build it again with this version of Edgewright"
            )

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
    """The runtime for programs of a processor ("x86_64", "aarch64"; for some also "armv7l").

    `python` is the device's version, such as "3.11". A runtime that can bring its own C library needs none of the
    device's. Raises `UnknownNameError` for a runtime that is not there, `TargetError` for a machine it is not made for,
    `EnvironmentFaultError` when a tool is missing.
    """
    return provided(runtime, Variant(machine=machine, python=python, with_c_library=with_c_library))


def provided(runtime: str, variant: Variant) -> DeviceRuntime:
    """The same of a `Variant`."""
    machine = OTHER_NAMES.get(variant.machine.lower(), variant.machine.lower())
    provider = RUNTIMES[runtime].provider
    if machine not in provider.machines:
        raise TargetError(
            f"{runtime} cannot be provided for a {machine} machine; supported are {', '.join(provider.machines)}"
        )
    return provider.provide(replace(variant, machine=machine))
