"""Bring an artifact and the runtime it needs to a target.

In:  an open target, an artifact's file and facts.
Out: `Deployed`: where both lie there, ready for `measure`. What is already there is not sent again.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from packaging.version import InvalidVersion, Version

from targets.base import Target
from targets.facts import MACHINE, read_facts
from targets.identity import IDENTITY
from targets.push import push_files
from toolchain.bundle import ArtifactFacts, Bundle
from toolchain.errors import RunnerError, TargetError
from toolchain.measure.native import NEEDED_GLIBC
from toolchain.measure.protocol import RemoteArtifact, RemoteRuntime
from toolchain.measure.runtimes import ARMHF, DeviceRuntime, runtime_for

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


def deploy(target: Target, file: Path, *, runtime: str, sha256: str, lengths: tuple[int, ...]) -> Deployed:
    """Push both; every hash is checked on the target.

    Raises `TargetError` for a machine no runtime is made for, and what pushing raises.
    """
    there = push_runtime(target, runtime)
    return Deployed(artifact=push_artifact(target, file, sha256=sha256, lengths=lengths), runtime=there)


def push_runtime(target: Target, runtime: str) -> RemoteRuntime:
    """Push a runtime alone: checking that it is there takes seconds on an emulated core, so ask once for many files."""
    needed = fitting_runtime(target, runtime)
    return RemoteRuntime(runtime=needed, directory=push_files(target, needed.files, kind="runtimes"))


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


def push_artifact(target: Target, file: Path, *, sha256: str, lengths: tuple[int, ...]) -> RemoteArtifact:
    """Push a file alone, for a runtime that was brought there before; raises what pushing raises."""
    place = push_files(target, {file.name: file}, kind="bundles")
    return RemoteArtifact(path=place / file.name, sha256=sha256, size_bytes=file.stat().st_size, lengths=lengths)


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
