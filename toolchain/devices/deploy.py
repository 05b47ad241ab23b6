"""Bring an artifact and the runtime it needs to a target.

In:  an open target, an artifact's file and facts.
Out: `Deployed`: where both lie there, ready for `measure`. What is already there is not sent again, and every hash is
     checked on the target.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from packaging.version import InvalidVersion, Version

from edgewright.bundles.bundle import ArtifactFacts, Bundle
from edgewright.bundles.files import sha256_of
from edgewright.errors import RunnerError, TargetError
from edgewright.measure.protocol import RemoteArtifact, RemoteRuntime
from edgewright.runtimes.device import ARMHF, DeviceRuntime, runtime_for
from edgewright.runtimes.executorch.native import NEEDED_GLIBC
from edgewright.targets.base import Target
from edgewright.targets.device_store.push import push_files
from edgewright.targets.facts import MACHINE, read_facts
from edgewright.targets.identity import IDENTITY

HERE = "local:"
WANTED = {**MACHINE, "word_bits": IDENTITY["word_bits"]}


@dataclass(frozen=True, kw_only=True)
class Deployed:
    """An artifact and its runtime on a target."""

    artifact: RemoteArtifact
    runtime: RemoteRuntime


def deploy_from(bundle: Bundle, artifact: ArtifactFacts, target: Target, *, file: str | None = None) -> Deployed:
    """Push one of a bundle's artifacts, or another `file` of the same interface, as `deploy` does."""
    name = file or artifact.file
    return deploy(
        target,
        bundle.file(name),
        runtime=artifact.runtime,
        sha256=bundle.manifest.files[name],
        lengths=artifact.lengths,
    )


def deploy(
    target: Target, file: Path, *, runtime: str, sha256: str | None = None, lengths: tuple[int, ...] = ()
) -> Deployed:
    """Push one file and its runtime, as a `Deployer` does."""
    return Deployer(target).deploy(file, runtime=runtime, sha256=sha256, lengths=lengths)


class Deployer:
    """Brings many files to a target and each runtime once: to see that one is there takes an emulated core seconds."""

    def __init__(self, target: Target) -> None:
        self.target = target
        self._runtimes: dict[str, RemoteRuntime] = {}

    def deploy(self, file: Path, *, runtime: str, sha256: str | None = None, lengths: tuple[int, ...] = ()) -> Deployed:
        """Push a file and the runtime it needs. `lengths` are those of its signatures; its hash may be known already.

        Raises `TargetError` for a machine no runtime is made for, and what pushing raises.
        """
        there = self.runtime(runtime)
        place = push_files(self.target, {file.name: file}, kind="bundles") / file.name
        size_bytes = file.stat().st_size
        artifact = RemoteArtifact(path=place, sha256=sha256 or sha256_of(file), size_bytes=size_bytes, lengths=lengths)
        return Deployed(artifact=artifact, runtime=there)

    def runtime(self, name: str) -> RemoteRuntime:
        """A runtime there; it is pushed when it is first asked for."""
        if name not in self._runtimes:
            made = fitting_runtime(self.target, name)
            directory = push_files(self.target, made.files, kind="runtimes")
            self._runtimes[name] = RemoteRuntime(runtime=made, directory=directory)
        return self._runtimes[name]


def fitting_runtime(target: Target, runtime: str) -> DeviceRuntime:
    """The runtime for a machine as it is: its processor, the size of its programs' words, its C library, its Python.

    The native runner brings its own C library where there is none, another, or one that is too old; then it also runs
    where programs have 32 bits and the kernel 64. Raises `TargetError` where none fits.
    """
    facts = read_facts(target, WANTED)
    kind, libc = facts.get("arch"), facts.get("libc")
    if not isinstance(kind, str):
        raise TargetError(f"{target.address} does not say what processor it has; is it a Linux machine?")
    narrow = facts.get("word_bits") == 32 and kind in ("aarch64", "armv7l", "armv8l")
    if runtime == "executorch":
        glibc = str(libc).removeprefix("glibc ") if libc else None
        fits = not narrow and glibc is not None and Version(glibc) >= Version(NEEDED_GLIBC)
        return runtime_for(runtime, machine=kind, with_c_library=not fits)
    if libc is None:
        raise TargetError(
            f"{target.address} does not have glibc, which {runtime} needs; use executorch, which brings its own"
        )
    python = None if target.address == HERE else facts.get("python")  # here it is the interpreter that runs this
    return runtime_for(runtime, machine=ARMHF if narrow else kind, python=python if isinstance(python, str) else None)


@contextmanager
def blamed_on_age(artifact: ArtifactFacts, place: Deployed) -> Iterator[None]:
    """Within it a runner that fails says, too, where the artifact was made with a newer runtime than the one there."""
    try:
        yield
    except RunnerError as error:
        there = place.runtime.runtime.version
        if not _is_newer(artifact.runtime_version, there):
            raise
        raise RunnerError(
            f"{error}; it was made with {artifact.runtime} {artifact.runtime_version}, and what runs it there is "
            f"{there}: update Edgewright, or build the bundle anew with this one"
        ) from error


def _is_newer(made: str, there: str) -> bool:
    try:
        return Version(made) > Version(there)
    except InvalidVersion:  # a manifest comes from outside
        return False
