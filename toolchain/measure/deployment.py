"""Bring an artifact and the runtime it needs to a target, this machine among them.

In:  an open target, an artifact's file and its runtime's name.
Out: `Deployed`: where both lie there, ready for `measure`. What is already there is not sent again, and every hash is
     checked on the target.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from edgewright.base.digest import sha256_of
from edgewright.errors import TargetError
from edgewright.measure.protocol import RemoteArtifact, RemoteRuntime
from edgewright.runtimes.descriptor import System
from edgewright.runtimes.device import DeviceRuntime, provided
from edgewright.runtimes.table import RUNTIMES
from edgewright.specs.signature import Tensor
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


def deploy(
    target: Target,
    file: Path,
    *,
    runtime: str,
    sha256: str | None = None,
    state: tuple[Tensor, ...] = (),
    operators: Sequence[str] = (),
) -> Deployed:
    """Push one file and its runtime, as a `Deployer` does."""
    return Deployer(target).deploy(file, runtime=runtime, sha256=sha256, state=state, operators=operators)


class Deployer:
    """Brings many files to a target and each runtime once: to see that one is there takes an emulated core seconds."""

    def __init__(self, target: Target) -> None:
        self.target = target
        self._runtimes: dict[str, RemoteRuntime] = {}

    def deploy(
        self,
        file: Path,
        *,
        runtime: str,
        sha256: str | None = None,
        state: tuple[Tensor, ...] = (),
        operators: Sequence[str] = (),
    ) -> Deployed:
        """Push a file and the runtime it needs. `state` lives between its calls; its hash may be known already.

        Raises `TargetError` for a machine no runtime is made for, or whose runtime lacks one of the libraries of
        `operators` that the file calls, before anything is sent; and what pushing raises.
        """
        there = self.runtime(runtime, operators)
        place = push_files(self.target, {file.name: file}, kind="bundles") / file.name
        size_bytes = file.stat().st_size
        artifact = RemoteArtifact(path=place, sha256=sha256 or sha256_of(file), size_bytes=size_bytes, state=state)
        return Deployed(artifact=artifact, runtime=there)

    def runtime(self, name: str, operators: Sequence[str] = ()) -> RemoteRuntime:
        """A runtime there, with these libraries of operators; it is pushed when it is first asked for."""
        if name not in self._runtimes:
            made = fitting_runtime(self.target, name)
            made.require(operators, self.target.address)
            directory = push_files(self.target, made.files, kind="runtimes")
            self._runtimes[name] = RemoteRuntime(runtime=made, directory=directory)
        self._runtimes[name].runtime.require(operators, self.target.address)
        return self._runtimes[name]


def fitting_runtime(target: Target, runtime: str) -> DeviceRuntime:
    """The runtime for a machine as it is: its processor, the size of its programs' words, its C library, its Python.

    Raises `TargetError` where none fits.
    """
    facts = read_facts(target, WANTED)
    machine, bits, libc, python = (facts.get(name) for name in ("arch", "word_bits", "libc", "python"))
    if not isinstance(machine, str):
        raise TargetError(f"{target.address} does not say what processor it has; is it a Linux machine?")
    system = System(
        address=target.address,
        machine=machine,
        word_bits=bits if isinstance(bits, int) else None,
        libc=str(libc) if libc else None,
        python=python if isinstance(python, str) else None,
        is_host=target.address == HERE,
    )
    return provided(runtime, RUNTIMES[runtime].provider.variant_for(system))
